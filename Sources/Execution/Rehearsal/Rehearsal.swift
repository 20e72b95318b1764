/// Runs the tests of a package on an executor of its own, without a cluster.
///
/// - Safety: what runs is what replicas run: the same engine, rules and receipts, at the
///   first price table.
import Certification
import Metering
import Pipelines
import Signing
import Storage
import Wire

/// What one test came to.
package struct RehearsalResult: Sendable {
  package let test: UnitTest
  /// One for each step that ran, in order.
  package internal(set) var steps: [Step] = []
  /// Empty when the test holds.
  package internal(set) var failures: [Failure] = []
  /// Of the test that a package has beside its own, `Rehearsal.tiesName`; nil of all others.
  package internal(set) var ties: TieTally?

  package struct Step: Sendable {
    /// From 1.
    package let number: Int
    /// `ingest orders`, `call close_day`, `replay 2`.
    package let label: String
    package let receipt: Receipt
  }

  /// What does not hold, and where the test says it.
  package struct Failure: Sendable {
    package let place: Places.Place
    package let message: String
  }
}

/// One test under way.
package final class Rehearsal {
  let package: CheckedPackage
  private let test: UnitTest
  let executor: Executor
  /// Runs everything too, on tables whose keys run another way.
  let mirror: Executor
  /// Which way.
  let mirrored: KeyOrder
  /// Models that were found to differ, each told once.
  var toldModels: Set<String> = []
  var toldOrder = false
  var toldStored = false
  private(set) var time: Moment
  private var calls: [SignedCall] = []
  private(set) var result: RehearsalResult

  private static let owner = key("owner")
  private static let members = (0..<13).map { key("member \($0)") }
  /// What the mirror's last receipt says.
  private(set) var mirroredStatus = Receipt.Status.applied
  /// More than any test can spend.
  private static let funds: UInt64 = 1_000_000_000_000_000_000

  private static func key(_ name: String) -> PublicKey {
    guard let key = PublicKey(sha256(Array("quorate/rehearsal \(name)".utf8)).bytes) else {
      preconditionFailure("a digest has the length of a key")
    }
    return key
  }

  /// Runs a test to its end.
  ///
  /// - Parameter directory: empty, and nobody else's.
  /// - Parameter vfs: the name of a registered SQLite VFS; nil for the system's.
  /// - Throws: the machine's failures alone.
  package static func run(
    _ test: UnitTest, of package: CheckedPackage, directory: String, vfs: String?
  ) throws(ExecutionFault) -> RehearsalResult {
    let rehearsal = try Rehearsal(test, of: package, directory: directory, vfs: vfs)
    try rehearsal.run()
    return rehearsal.result
  }

  init(
    _ test: UnitTest, of package: CheckedPackage, directory: String, vfs: String?,
    mirrored: KeyOrder = .descending
  ) throws(ExecutionFault) {
    self.mirrored = mirrored
    self.package = package
    self.test = test
    result = RehearsalResult(test: test)
    time = test.at
    let genesis = Genesis(
      name: "rehearsal", protocolVersion: 1, time: test.at, members: Self.members,
      administrators: [Self.owner],
      accounts: [.init(owner: Self.owner, balance: Cycles(2 * Self.funds))])
    executor = try Executor(directory: directory, vfs: vfs, genesis: genesis)
    mirror = try Executor(
      directory: "\(directory)/mirror", vfs: vfs, genesis: genesis, order: mirrored)
  }

  private func run() throws(ExecutionFault) {
    guard try prepare() else { return }
    for number in 1..<(test.steps.count + 1) { try perform(number) }
    checkReceipts()
    for claim in test.tables { try check(claim) }
  }

  /// Runs one step, counted from 1, and looks at what must hold after it.
  func perform(_ number: Int) throws(ExecutionFault) {
    let step = test.steps[number - 1]
    let before = root
    try run(step, number: number)
    try checkModels(after: step)
    try checkOrder(after: step)
    try checkStored(after: step)
    if test.rootUnchangedBy.contains(number), root != before {
      fail(step.place, "step \(number) changed the root of the tables; it should not have")
    }
  }

  func fail(_ place: Places.Place, _ message: String) {
    result.failures.append(RehearsalResult.Failure(place: place, message: message))
  }

  var name: String { package.package.name }
  private var root: Digest? { executor.pipelines[name]?.roots.data }

  // MARK: Calls

  /// Deploys, fills the account, grants the roles that steps play.
  func prepare() throws(ExecutionFault) -> Bool {
    let deployed = try execute(
      call(.deploy, package.package.canonicalBytes, "deploy", Self.owner))
    if case .refused(let refusal) = deployed.status {
      fail(test.place, "the package cannot be deployed: \(refusal)")
      return false
    }
    _ = try execute(call(.topUp(Cycles(Self.funds)), [], "top-up", Self.owner))
    var granted: [String] = []
    for step in test.steps {
      guard case .role(let role) = step.sender, !granted.contains(role) else { continue }
      granted.append(role)
      _ = try execute(
        call(.grant(role: role, to: Self.key("role \(role)")), [], "grant-\(role)", Self.owner))
    }
    return true
  }

  private func run(_ step: UnitTest.Step, number: Int) throws(ExecutionFault) {
    time = step.at
    let sender: PublicKey? =
      switch step.sender {
      case .owner: Self.owner
      case .anyone: nil
      case .role(let role): Self.key("role \(role)")
      }
    let sent: SignedCall
    let label: String
    switch step.act {
    case .ingest(let source, let format, let body, let key):
      label = "ingest \(source)"
      sent = call(
        .ingest(source: source, format: format), body, key ?? "step-\(number)", sender)
    case .call(let procedure, let body, let key):
      label = "call \(procedure)"
      sent = call(.procedure(procedure), body, key ?? "step-\(number)", sender)
    case .release(let source):
      label = "release \(source)"
      sent = call(
        .release(source: source), ReleaseSelection().canonicalBytes, "step-\(number)", sender)
    case .replay(let earlier):
      label = "replay \(earlier)"
      let first = calls[earlier - 1].call
      // The same intention in a new envelope: it lives from now on.
      sent = call(first.method, calls[earlier - 1].body, first.idempotencyKey, first.sender)
    }
    calls.append(sent)
    let receipt = try execute(sent)
    result.steps.append(RehearsalResult.Step(number: number, label: label, receipt: receipt))
  }

  private func call(
    _ method: Method, _ body: [UInt8], _ key: String, _ sender: PublicKey?
  ) -> SignedCall {
    let call = Call(
      subnet: executor.subnet, pipeline: name, method: method, bodyDigest: sha256(body),
      bodyBytes: UInt32(clamping: body.count), idempotencyKey: key, sender: sender,
      expiry: time.advanced(by: 60_000 + executor.height.number % 1_000),
      stepLimit: Limits.stepsPerBlockMax)
    // The executor takes calls whose signatures were looked at before; here nobody lies.
    return SignedCall(call: call, body: body, signature: nil)
  }

  /// Runs a call in a block of its own.
  private func execute(_ call: SignedCall) throws(ExecutionFault) -> Receipt {
    let digest = call.call.digest
    let header = Header(
      subnet: executor.subnet, epoch: 0, view: View(executor.height.number + 1),
      parentView: View(executor.height.number), parent: .zero, height: executor.height.next,
      time: time, calls: [digest], certified: nil)
    let block = Block(header: header, calls: [call])
    _ = try executor.execute(block, digest: header.digest)
    _ = try mirror.execute(block, digest: header.digest)
    guard let receipt = try executor.receipt(of: digest)?.receipt,
      let mirrored = try mirror.receipt(of: digest)?.receipt
    else { throw ExecutionFault(.mismatch, "a call of the rehearsal left no receipt") }
    mirroredStatus = mirrored.status
    return receipt
  }

  // MARK: Receipts

  private func checkReceipts() {
    for claim in test.receipts {
      guard let step = result.steps.first(where: { $0.number == claim.step }) else { continue }
      for problem in Self.problems(step.receipt, claim) {
        fail(claim.place, "step \(claim.step), \(step.label): \(problem)")
      }
    }
    // A refusal that nobody expects is a failure, whatever else holds.
    for step in result.steps {
      let isExpected = test.receipts.contains {
        $0.step == step.number && ($0.applied == false || $0.code != nil)
      }
      guard case .refused(let refusal) = step.receipt.status, !isExpected else { continue }
      fail(
        test.steps[step.number - 1].place,
        "step \(step.number), \(step.label), was refused: \(refusal)")
    }
  }

  private static func problems(
    _ receipt: Receipt, _ claim: UnitTest.ReceiptClaim
  ) -> [String] {
    var problems: [String] = []
    var code: String?
    if case .refused(let refusal) = receipt.status { code = refusal.code }
    if let wanted = claim.applied, wanted != (code == nil) {
      problems.append(
        wanted ? "expected applied, was refused" : "expected a refusal, was applied")
    }
    if let wanted = claim.code, wanted != code {
      problems.append("expected the code \(wanted), found \(code ?? "applied")")
    }
    if let wanted = claim.replayed, wanted != (receipt.replayOf != nil) {
      problems.append("expected replayed: \(wanted), found \(!wanted)")
    }
    let tally = receipt.tally
    let counts = [
      "accepted": tally.accepted, "quarantined": tally.quarantined, "dropped": tally.dropped,
      "duplicates": tally.duplicates, "late": tally.late,
    ]
    for (name, wanted) in claim.counts where counts[name] != wanted {
      problems.append("expected \(wanted) \(name), found \(counts[name] ?? 0)")
    }
    for (name, wanted) in claim.notes {
      let found = receipt.notes.first { $0.name == name }?.count ?? 0
      if found != wanted {
        problems.append("expected the note \(name) \(wanted)×, found \(found)×")
      }
    }
    return problems
  }

  // MARK: Tables

  private func check(_ claim: UnitTest.TableClaim) throws(ExecutionFault) {
    do throws(Stop) {
      for difference in TableComparison(claim, try rows(claim)).differences {
        fail(difference.place, "\(claim.name): \(difference.text)")
      }
    } catch {
      switch error {
      case .failed(let fault): throw fault
      case .refused(let refusal): fail(claim.place, "\(claim.name) cannot be read: \(refusal)")
      }
    }
  }

  private func rows(_ claim: UnitTest.TableClaim) throws(Stop) -> [[Value]] {
    guard let file = executor.pipelines[name] else { return [] }
    let list = claim.columns.map { quoted($0.name) }.joined(separator: ", ")
    do {
      let scan = try file.engine.connection.prepare("SELECT \(list) FROM \(quoted(claim.table))")
      var rows: [[Value]] = []
      while try scan.step() { rows.append(claim.columns.indices.map { scan.value($0) }) }
      return rows
    } catch { throw Stop(sql: error, in: claim.name) }
  }
}
