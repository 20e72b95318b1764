import Signing
import Wire

/// One sending: what all its copies under way share.
///
/// - Safety: what arrives is decoded from the bytes, once for all receivers, which get equal
///   values; decoding and checking of envelopes are functions of the bytes alone.
final class Parcel {
  let message: Message
  /// Canonical bytes.
  let bytes: [UInt8]
  /// A hash of the bytes, for the trace.
  let fingerprint: UInt64
  let kind: MessageKind
  let view: View?
  let sender: ReplicaID
  let fromMachine: Int
  /// Its sending in the recording, if there is one.
  var sending: Int?
  /// The wire format is under test with this one.
  private let decodes: Bool
  private var opened: Result<Message, Malformed>?
  private var verifiedCalls: [VerifiedCall]?

  init(_ message: Message, from machine: Machine, decodes: Bool) {
    self.message = message
    bytes = message.canonicalBytes
    fingerprint = Simulator.fingerprint(bytes)
    kind = MessageKind(message)
    view = message.view
    sender = machine.id
    fromMachine = machine.index
    self.decodes = decodes
  }

  /// The same sending with other bytes on the wire.
  init(_ parcel: Parcel, bent bytes: [UInt8]) {
    message = parcel.message
    self.bytes = bytes
    fingerprint = Simulator.fingerprint(bytes)
    kind = parcel.kind
    view = parcel.view
    sender = parcel.sender
    fromMachine = parcel.fromMachine
    sending = parcel.sending
    decodes = true
  }

  /// What a receiver reads.
  func open() throws(Malformed) -> Message {
    guard decodes else { return message }
    if let opened { return try opened.get() }
    let result: Result<Message, Malformed>
    do throws(Malformed) {
      result = .success(try Message(canonicalBytes: bytes))
    } catch {
      result = .failure(error)
    }
    opened = result
    return try result.get()
  }

  /// What a receiver's shell lets through of bodies.
  func verified(
    _ calls: [SignedCall], by verifier: Verifier, subnet: SubnetID
  ) -> [VerifiedCall] {
    if let verifiedCalls { return verifiedCalls }
    let verified = calls.compactMap { try? verifier.verify($0, subnet: subnet) }
    verifiedCalls = verified
    return verified
  }
}

/// A parcel on its way to one machine.
struct Delivery {
  let parcel: Parcel
  let toMachine: Int
  /// The connection that it travels on ends with the receiving process.
  let incarnation: Int

  var kind: MessageKind { parcel.kind }
  var view: View? { parcel.view }
  var sender: ReplicaID { parcel.sender }
  var fromMachine: Int { parcel.fromMachine }
}
