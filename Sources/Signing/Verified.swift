import Wire

/// A value whose signatures were checked against a committee.
///
/// - Safety: only this module makes one, so whoever takes a `Verified` need not check again.
package struct Verified<Value: Sendable>: Sendable {
  package let value: Value

  init(_ value: Value) { self.value = value }
}

extension Verified: Equatable where Value: Equatable {}
extension Verified: Hashable where Value: Hashable {}

/// A call whose envelope holds: its subnet, its body, its signature. Whether it may run is for
/// execution to say.
package struct VerifiedCall: Sendable, Hashable {
  package let signed: SignedCall
  /// Names the call.
  package let digest: Digest

  init(_ signed: SignedCall, digest: Digest) {
    self.signed = signed
    self.digest = digest
  }

  package static func == (a: Self, b: Self) -> Bool { a.digest == b.digest }
  package func hash(into hasher: inout Hasher) { hasher.combine(digest) }
}

/// Several signed values, told apart: lazy verification finds the culprits with it.
package struct Sifted<Value: Sendable>: Sendable {
  package var verified: [Verified<Value>] = []
  /// Those that do not verify, in the order given.
  package var refused: [Value] = []
}
