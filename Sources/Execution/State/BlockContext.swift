import Metering
import Signing
import Wire

/// What calls of a block may know of it.
struct BlockContext {
  let height: Height
  let time: Moment
  /// What nobody knew before the block was ordered.
  let randomness: Digest
  let schedule: PriceSchedule
  var planted: Set<PlantedBug> = []

  /// By which its calls pay.
  var prices: PriceTable { schedule.table(at: height) }

  /// When a call cannot come back any more, and no file that lost its tail asks for its receipt,
  /// its digest may be forgotten.
  func forgetAt(_ call: Call) -> Moment {
    max(call.expiry, time.advanced(by: Limits.callLifetimeMax.milliseconds))
      .advanced(by: Limits.clockDrift.milliseconds)
  }

  /// Whether the call may run now. One that may not leaves no receipt: nothing final is said of it.
  func admits(_ call: Call) -> Bool {
    let latest = time.advanced(
      by: Limits.callLifetimeMax.milliseconds + 2 * Limits.clockDrift.milliseconds)
    return (time <= call.expiry || planted.contains(.expiredCallsExecuted))
      && (call.expiry <= latest || planted.contains(.farFutureCallsExecuted))
  }
}

/// A call at its place in a block, or with place 0 before a block orders it. Its envelope is
/// verified.
struct OrderedCall {
  let position: UInt32
  let digest: Digest
  let call: Call
  let body: [UInt8]

  init(position: UInt32, digest: Digest, call: Call, body: [UInt8]) {
    self.position = position
    self.digest = digest
    self.call = call
    self.body = body
  }

  /// A call that no block has ordered yet.
  init(_ verified: VerifiedCall) {
    self.init(
      position: 0, digest: verified.digest, call: verified.signed.call, body: verified.signed.body)
  }

  /// Equal for a retry that means the same: the method with its amounts, and the body.
  var payload: [UInt8] { call.method.canonicalBytes + call.bodyDigest.bytes }

  /// What the nonces of its rows are made from.
  ///
  /// - Safety: made of the whole call, which its id tells nobody. Whoever can make it knows the
  ///   digest of the body, and so the batch, beside the sender's key, the expiry and the block.
  func seed(in block: BlockContext) -> Digest {
    var encoder = Encoder(capacity: 320)
    encoder.byte(0x09)
    encoder.value(block.randomness)
    encoder.value(call)
    return sha256(encoder.bytes)
  }

  func receipt(
    _ block: BlockContext, _ status: Receipt.Status, tally: RowTally = RowTally(),
    notes: [Note] = [], usage: Usage = Usage(), charged: Cycles = 0,
    replayOf: Receipt.Replay? = nil
  ) -> Receipt {
    Receipt(
      call: digest, height: block.height, position: position, time: block.time,
      pipeline: call.pipeline, status: status, replayOf: replayOf, tally: tally, notes: notes,
      usage: usage, charged: charged)
  }
}
