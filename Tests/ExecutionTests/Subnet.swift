import Certification
import Foundation
import Pipelines
import Signing
import Wire

@testable import Execution

/// One executor with people, a clock and a chain of blocks.
final class Subnet {
  private(set) var path: String
  let genesis: Genesis
  var executor: Executor
  private(set) var blocks: [Block] = []
  private(set) var time: Moment
  private var nonce = 0

  static let owner = pair(1)
  static let stranger = pair(2)

  static func pair(_ byte: UInt8) -> KeyPair {
    guard let pair = KeyPair(seed: Array(repeating: byte, count: 32)) else {
      preconditionFailure("32 bytes make a key")
    }
    return pair
  }

  private static func genesis(
    _ administrators: [PublicKey], _ engines: [EngineFingerprint], _ funds: Cycles
  ) -> Genesis {
    let members = (10..<14).map { pair(UInt8($0)).publicKey }
    return Genesis(
      name: "test", protocolVersion: 1, time: 1_767_225_600_000, members: members,
      administrators: administrators,
      accounts: [
        .init(owner: owner.publicKey, balance: funds),
        .init(owner: stranger.publicKey, balance: 1_000_000_000_000),
      ], engines: engines)
  }

  init(
    administrators: [PublicKey] = [Subnet.owner.publicKey], engines: [EngineFingerprint] = [],
    funds: Cycles = 100_000_000_000_000
  ) throws {
    path =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("execution-\(UUID().uuidString)").path
    genesis = Self.genesis(administrators, engines, funds)
    time = genesis.time
    executor = try Executor(directory: path, vfs: nil, genesis: genesis)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func reopen() throws {
    executor = try Executor(directory: path, vfs: nil, genesis: genesis)
    try catchUp()
  }

  /// Empty blocks leave nothing in the files: a replica that starts again executes them again.
  private func catchUp() throws {
    for block in blocks where block.header.height > executor.height {
      _ = try executor.execute(block, digest: block.header.digest)
    }
  }

  /// Goes on from files in another folder, and lets go of those here.
  func move(to other: String) throws {
    executor = try Executor(directory: other, vfs: nil, genesis: genesis)
    try catchUp()
    try FileManager.default.removeItem(atPath: path)
    path = other
  }

  // MARK: Calls

  func call(
    _ pipeline: String, _ method: Method, body: [UInt8] = [], key: String? = nil,
    by person: KeyPair? = Subnet.owner, steps: UInt64 = 5_000_000, lives: UInt64 = 60_000
  ) -> SignedCall {
    nonce += 1
    let call = Call(
      subnet: genesis.subnet, pipeline: pipeline, method: method, bodyDigest: sha256(body),
      bodyBytes: UInt32(body.count), idempotencyKey: key ?? "k\(nonce)",
      sender: person?.publicKey, expiry: time.advanced(by: lives &+ UInt64(nonce)),
      stepLimit: steps)
    let signature = person.map { Signer.ed25519($0).sign(call) }
    return SignedCall(call: call, body: body, signature: signature)
  }

  func ingest(
    _ source: String, _ text: String, pipeline: String = "shop", key: String? = nil,
    by person: KeyPair? = Subnet.owner, format: RowFormat = .csv, steps: UInt64 = 5_000_000
  ) -> SignedCall {
    call(
      pipeline, .ingest(source: source, format: format), body: Array(text.utf8), key: key,
      by: person, steps: steps)
  }

  func deploy(_ package: Package, by person: KeyPair = Subnet.owner) -> SignedCall {
    call(package.name, .deploy, body: package.canonicalBytes, by: person, steps: 50_000_000)
  }

  // MARK: Blocks

  func block(_ calls: [SignedCall], after milliseconds: UInt64 = 1_000) -> (Block, Digest) {
    time = time.advanced(by: milliseconds)
    let sorted = calls.map { ($0, $0.call.digest) }.sorted { $0.1 < $1.1 }
    let header = Header(
      subnet: genesis.subnet, epoch: 0, view: View(executor.height.number + 1),
      parentView: View(executor.height.number), parent: .zero, height: executor.height.next,
      time: time, calls: sorted.map(\.1), certified: nil)
    return (Block(header: header, calls: sorted.map(\.0)), header.digest)
  }

  @discardableResult
  func execute(_ calls: [SignedCall], after milliseconds: UInt64 = 1_000) throws -> BlockOutcome {
    let (block, digest) = block(calls, after: milliseconds)
    blocks.append(block)
    return try executor.execute(block, digest: digest)
  }

  /// Runs one call in a block of its own.
  @discardableResult
  func run(_ call: SignedCall, after milliseconds: UInt64 = 1_000) throws -> Receipt {
    try execute([call], after: milliseconds)
    guard let proof = try executor.receipt(of: call.call.digest) else {
      throw Missing(what: "a receipt of \(call.call.method.label)")
    }
    return proof.receipt
  }

  struct Missing: Error { let what: String }

  /// The root over the rows of a pipeline's tables.
  func root(_ pipeline: String = "shop") -> Digest? {
    executor.pipelines[pipeline]?.committedRoots?.data
  }

  /// With this package deployed and its account filled.
  convenience init(running package: Package) throws {
    try self.init()
    let receipt = try run(deploy(package))
    if case .refused(let refusal) = receipt.status { throw refusal }
    try fund()
  }

  func fund(_ pipeline: String = "shop", _ amount: Cycles = 10_000_000_000_000) throws {
    try run(call(pipeline, .topUp(amount)))
  }

  /// Everything a table holds, one row a line, by key.
  func rows(_ table: String, pipeline: String = "shop", columns: String = "*") throws -> [String] {
    guard let file = executor.pipelines[pipeline] else { return [] }
    let select = try file.engine.connection.prepare("SELECT \(columns) FROM \(table)")
    var lines: [String] = []
    while try select.step() {
      lines.append(
        (0..<select.columnCount).map { select.isNull($0) ? "" : select.text($0) }
          .joined(separator: "|"))
    }
    return lines
  }

  /// Certifies a height, the newest unless told, so that it can be read.
  func certify(_ height: Height? = nil) throws {
    guard let outcome = try executor.outcome(at: height ?? executor.height) else {
      preconditionFailure("the height has no outcome")
    }
    let statement = StateStatement(
      subnet: genesis.subnet, epoch: 0, height: outcome.height, block: .zero,
      stateRoot: outcome.stateRoot, receiptsRoot: outcome.receiptsRoot, time: time)
    executor.reader.certify(
      StateCertificate(statement: statement, signers: Signers([], of: 4), signatures: []))
  }
}

extension Package {
  /// One bare source of orders.
  static func shop(
    version: String = "1", sources: [Source] = [.orders()], models: [Model] = [],
    procedures: [Procedure] = [], queries: [Pipelines.Query] = [], seeds: [Seed] = [],
    vars: [Variable] = [], budget: Budget = .ample
  ) -> Package {
    Package(
      name: "shop", version: version, vars: vars, budget: budget, sources: sources,
      models: models, procedures: procedures, queries: queries, seeds: seeds)
  }
}

extension Budget {
  /// Cycles a day, more than tests burn unless they say so.
  static func daily(
    caller: Cycles = 1_000_000_000_000, everybody: Cycles = 1_000_000_000_000
  ) -> Budget {
    var budget = Budget()
    budget.callerDaily = caller
    budget.publicDaily = everybody
    return budget
  }

  static let ample = daily()
}

extension Source {
  static func orders(
    onDuplicate: DuplicateRule = .rejectIfDifferent, version: String? = nil,
    eventTime: EventTime? = nil, expectations: [Expectation] = [], allow: [Grant] = [],
    pii: Sensitivity? = nil
  ) -> Source {
    Source(
      name: "orders",
      columns: [
        SourceColumn(name: "id", type: .text, required: true),
        SourceColumn(name: "customer", type: .text, required: true, pii: pii),
        SourceColumn(name: "amount", type: .decimal(precision: 18, scale: 2), required: true),
        SourceColumn(name: "day", type: .date),
      ],
      primaryKey: ["id"], onDuplicate: onDuplicate, version: version, eventTime: eventTime,
      expectations: expectations, allow: allow)
  }
}

extension FeedTable {
  /// The header and some of its rows, or others of their shape, as CSV; null is a field without
  /// quotes.
  func text(of rows: ArraySlice<[String?]>) -> String {
    let lines = rows.map { row in
      row.map { field in
        field.map { "\"\($0.replacing("\"", with: "\"\""))\"" } ?? ""
      }.joined(separator: ",")
    }
    return ([header.joined(separator: ",")] + lines).map { $0 + "\n" }.joined()
  }
}

func sql(_ text: String) -> SQLScript { SQLScript(text, file: "test.sql") }
