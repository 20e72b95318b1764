import Signing
import Wire

/// One caller of the simulated subnet: sends calls to a replica, asks for their receipts, verifies
/// what it is given, and turns to another replica when it waits too long.
struct Client {
  /// A call that is not settled yet.
  struct Pending {
    let signed: SignedCall
    let digest: Digest
    /// The transfers that it asks for.
    let transfers: [String]
    var target: Int
    var sentAt: UInt64
    /// Microseconds of its first sending.
    let firstSentAt: UInt64
    /// The block that it was ordered in, once it is finalized.
    var height: Height?
    /// Its replica could have answered.
    var replied = false
    var tries = 1
    /// When a replica took it that nothing hindered, for the first time in the last stretch in
    /// which answers were owed.
    var takenAt: UInt64?
    /// It should have its answer by now, whatever comes later.
    var isOverdue = false
    /// Sent again on purpose, or made to be refused.
    let oddity: Oddity

    /// Nothing is wrong with it: it must be answered, while it lives.
    var isHonest: Bool { oddity == .none || oddity == .owed }
  }

  enum Oddity {
    case none, duplicate, expired, negative
    /// A replica may refuse it for good before it is ordered.
    case mayFail
    /// It must be applied.
    case owed
  }

  /// A call with a verified receipt.
  struct Settled {
    let digest: Digest
    /// nil when consensus runs alone, without receipts.
    let receipt: Receipt?
    let transfers: [String]
    let oddity: Oddity
  }

  static let patience: UInt64 = 2_000_000
  static let lifetime = Span.seconds(120)
  /// How long after its expiry a call without a receipt is given up.
  static let expiredFor = Span.seconds(10)
  static let stepLimit: UInt64 = 2_000_000
  static let pendingMax = 16

  let index: Int
  let signer: Signer
  var chance: RandomStream
  var pending: [Pending] = []
  var settled: [Settled] = []
  /// Verified rows are asked for once a settled transfer.
  var toRead: [(transfer: String, height: Height, tries: Int)] = []
  /// A replica may refuse to read for a while; not for ever.
  static let readTriesMax = 40
  private var serial = 0
  var mischief: Mischief
  /// nil: it moves no cycles but what calls of the bank cost.
  var dealings: Dealings?

  init(
    index: Int, signer: Signer, seed: UInt64, misuse: [Misuse] = [], dry: DryPipeline? = nil
  ) {
    dealings = dry.map { Dealings($0) }
    mischief = Mischief(index > 0 ? misuse : [], index: index, seed: seed)
    self.index = index
    self.signer = signer
    chance = RandomStream(seed: seed, label: "client \(index)")
  }

  /// A finalized block holds this call.
  mutating func ordered(_ call: Digest, at height: Height) {
    for place in pending.indices where pending[place].digest == call {
      pending[place].height = pending[place].height ?? height
    }
  }

  /// What this client wants next. The first client sets the pipeline up before anything else.
  /// - Parameter prices: the version of the price table in force.
  mutating func compose(
    _ subnet: SubnetID, now: Moment, ready: Bool, isCalm: Bool, prices: UInt32
  ) -> Wish? {
    if index == 0, !ready { return setUp(subnet, now: now).map { ($0, [], .none) } }
    guard ready else { return nil }
    serial += 1
    let id = "c\(index)-\(serial)"
    if let dry = dealings?.dry {
      if index == 0 { return tend(dry, subnet, now, id, isCalm: isCalm, prices: prices) }
      if chance.happens(Self.dealingsPPM) {
        return deal(dry, subnet, now, id, prices: prices).map { ($0, [], .mayFail) }
      }
    }
    switch chance.below(20) {
    case 0: return (transfer(subnet, now, id), [], .none)
    case 1: return (ingest(subnet, now, [id], expiry: now), [id], .expired)
    case 2: return (ingest(subnet, now, [id], amount: -5), [id], .negative)
    case 3...8: return (pay(subnet, now, id), [id], .none)
    default:
      let ids = (0...chance.below(3)).map { "\(id)-\($0)" }
      return (ingest(subnet, now, ids), ids, .none)
    }
  }

  /// Of the first client: true when every pipeline is deployed and has cycles.
  var isSetUp: Bool { settled.count >= (dealings == nil ? 2 : 4) }

  /// Deploy and top up, one after the other.
  private mutating func setUp(_ subnet: SubnetID, now: Moment) -> SignedCall? {
    guard pending.isEmpty, !isSetUp else { return nil }
    if settled.count >= 2 {
      return dealings.map { setUpDry($0.dry, subnet, now, isDeployed: settled.count > 2) }
    }
    let name = Bank.name
    if settled.isEmpty {
      return sign(
        subnet, now, .deploy, Bank.packageBytes, "deploy", pipeline: name,
        steps: 50_000_000)
    }
    return sign(subnet, now, .topUp(Cycles(500_000_000_000_000)), [], "top-up", pipeline: name)
  }

  private mutating func ingest(
    _ subnet: SubnetID, _ now: Moment, _ ids: [String], amount: Int? = nil, expiry: Moment? = nil
  ) -> SignedCall {
    let lines = ids.map { id in
      let sum = amount ?? 1 + chance.below(900)
      return "{\"transfer_id\":\"\(id)\",\"from_account\":\"a\(chance.below(Bank.accounts))\","
        + "\"to_account\":\"a\(chance.below(Bank.accounts))\",\"amount\":\(sum)}\n"
    }
    return sign(
      subnet, now, .ingest(source: "transfers", format: .ndjson), Array(lines.joined().utf8),
      ids.first ?? "", pipeline: Bank.name, expiry: expiry)
  }

  private mutating func pay(_ subnet: SubnetID, _ now: Moment, _ id: String) -> SignedCall {
    let body =
      "{\"transfer_id\":\"\(id)\",\"from_account\":\"a0\","
      + "\"to_account\":\"a\(chance.below(Bank.accounts))\",\"amount\":7}"
    return sign(
      subnet, now, .procedure("pay"), Array(body.utf8), id, pipeline: Bank.name)
  }

  private mutating func transfer(_ subnet: SubnetID, _ now: Moment, _ id: String) -> SignedCall {
    sign(subnet, now, .transfer(to: signer.publicKey, Cycles(1_000)), [], id, pipeline: "")
  }

  func sign(
    _ subnet: SubnetID, _ now: Moment, _ method: Method, _ body: [UInt8], _ key: String,
    pipeline: String, expiry: Moment? = nil, steps: UInt64 = Client.stepLimit
  ) -> SignedCall {
    signer.sign(
      Call(
        subnet: subnet, pipeline: pipeline, method: method, bodyDigest: sha256(body),
        bodyBytes: UInt32(body.count), idempotencyKey: key, sender: signer.publicKey,
        expiry: expiry ?? now.advanced(by: Self.lifetime.milliseconds), stepLimit: steps),
      body: body)
  }
}
