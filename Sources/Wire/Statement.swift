/// Something a key signs.
///
/// - Safety: the signed bytes begin with the statement's own domain and the subnet, so a signature
///   can never be taken for one of another kind, of another subnet or of another project.
package protocol Statement: Canonical, Hashable {
  /// Distinct for each kind of statement and each version of its encoding.
  static var domain: String { get }
  var subnet: SubnetID { get }
}

extension Statement {
  /// What is signed: the domain with its length, then the canonical bytes. The subnet is the
  /// first field of every statement.
  package var signedBytes: [UInt8] {
    var encoder = Encoder(capacity: 192)
    encoder.text(Self.domain)
    encode(into: &encoder)
    return encoder.bytes
  }
}
