import ArgumentParser
import Certification
import Foundation
import QuorateClient
import Signing
import Wire

struct SubmitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "submit", abstract: "Call a procedure; returns once its certificate is verified.",
    discussion: """
        quorate submit bank_reconciliation advance_stage \\
          --arg transaction_id=K0000033 --arg stage=processed --key my-key-1
      """)
  @OptionGroup var location: ClusterLocation
  @OptionGroup var caller: Caller
  @Argument(help: "The pipeline.") var pipeline: String
  @Argument(help: "The procedure.") var procedure: String
  @Option(name: .customLong("arg"), help: "An argument, name=value; once for each.")
  var arguments: [String] = []
  @Option(help: "The idempotency key: sent again, it has one effect. Without it, a new one.")
  var key: String?
  @Option(help: "VDBE steps at most; reserved before, paid as used.") var steps: UInt64?
  @Flag(help: "Return once a replica has taken it in; 'quorate request ID' tells the rest.")
  var noWait = false
  @Option(help: "Save the certified receipt; 'quorate verify FILE' checks it offline.")
  var save: String?
  @Flag(help: "For programs.") var json = false

  func run() async throws {
    if let save { try OutputKind.savedAnswer.check(save) }
    let session = try Session(location, caller)
    if let found = try? await session.pipeline(pipeline),
      let entry = found.procedures.first(where: { $0.name == procedure })
    {
      try Self.check(arguments, against: entry)
    }
    var intention = Intention(
      pipeline: pipeline, method: .procedure(procedure), body: try Self.body(arguments),
      key: key ?? Session.freshKey(), stepLimit: steps)
    if noWait {
      intention.patience = .seconds(10)
      let id = try await session.client.handIn(intention)
      await session.client.close()
      Terminal.say(json ? try Terminal.json(["request": id.hex]) : "Request \(id.hex) is taken in.")
      return
    }
    let certified: CertifiedReceipt
    do { certified = try await session.submit(intention) } catch {
      throw Failure("\(error)" + (try await session.meantSource(procedure, of: pipeline, error)))
    }
    await session.client.close()
    let report = ReceiptReport(certified)
    Terminal.say(try report.remarking(Self.remark(report)).text(json: json))
    if let save {
      try OutputKind.savedAnswer.write(SavedAnswer.receipt(certified).file, to: save)
    }
  }

  /// What became of no row, or where to look for rows that were not taken.
  static func remark(_ report: ReceiptReport) -> String? {
    if report.isOfNoRow { return "rows: none; the procedure's SELECT gave none" }
    guard report.quarantined > 0 else { return nil }
    return "why rows were quarantined: quorate pipeline quarantine list \(report.pipeline)"
  }

  /// Refuses names that the procedure does not take, and says which are missing: here it costs
  /// nothing, while a refusal by execution is paid for.
  static func check(_ arguments: [String], against entry: CatalogEntry) throws {
    try QueryCommand.check(arguments, against: entry)
    let given = try arguments.map { try pair($0).name }
    let missing = entry.fields.filter { !given.contains($0.name) }
    guard !missing.isEmpty else { return }
    let names = missing.map { "\($0.name): \($0.type)" }.joined(separator: ", ")
    throw Failure(
      "\(entry.name) also takes \(names). Nothing was sent; add "
        + missing.map { "--arg \($0.name)=VALUE" }.joined(separator: " "))
  }

  /// `name=value` pairs as a JSON object of texts; the pipeline's contract says their types.
  static func body(_ arguments: [String]) throws -> [UInt8] {
    let pairs = try arguments.map(pair)
    var object: [String: String] = [:]
    for (name, value) in pairs {
      guard object.updateValue(value, forKey: name) == nil else {
        throw Failure("The argument '\(name)' is given twice.")
      }
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return [UInt8](try encoder.encode(object))
  }

  static func pair(_ text: String) throws -> (name: String, value: String) {
    guard let sign = text.firstIndex(of: "="), sign != text.startIndex else {
      throw Failure("'--arg \(text)' is not of the form name=value.")
    }
    return (String(text[..<sign]), String(text[text.index(after: sign)...]))
  }
}

/// A client for one run of one command.
struct Session {
  let network: Network
  let client: Client
  let keys: KeyPair?
  let location: ClusterLocation
  /// The identity that signs, by its name; nil for an unsigned call.
  let signerName: String?

  init(_ location: ClusterLocation, _ caller: Caller) throws {
    self.location = location
    network = try location.network()
    signerName = caller.signer
    keys = try caller.keyPair(in: location.identities)
    client = try Client(network: network, identity: keys)
  }

  /// What to do with a name that is a source's, where a procedure's was called for.
  func meantSource(_ name: String, of pipeline: String, _ error: any Error) async throws -> String {
    guard "\(error)".contains("[UNKNOWN_PROCEDURE]"),
      let found = try? await self.pipeline(pipeline),
      found.sources.contains(where: { $0.name == name })
    else { return "" }
    return "\n\(name) is a source of \(pipeline): quorate ingest \(pipeline) \(name) FILE"
  }

  /// An idempotency key that nobody has used.
  static func freshKey() -> String { UUID().uuidString.lowercased() }

  /// How often, and how long apart, replicas are asked for what is soon there: for two seconds.
  private static let looksMax = 40
  private static let pauseBetweenLooks = Duration.milliseconds(50)

  /// What replicas report once they read the height of a proposal; nil when they do not soon.
  func seen<Report: Sendable>(
    _ read: () async throws -> Report, where isThere: (Report) -> Bool
  ) async -> Report? {
    for _ in 0..<Self.looksMax {
      if let report = try? await read(), isThere(report) { return report }
      try? await Task.sleep(for: Self.pauseBetweenLooks)
    }
    return nil
  }
}

/// A certified receipt as people and programs read it.
struct ReceiptReport: Encodable {
  let request: String
  let pipeline: String
  let status: String
  let refusal: String?
  let height: UInt64
  let replayed: Bool
  let accepted: UInt32
  let quarantined: UInt32
  let dropped: UInt32
  let duplicates: UInt32
  let late: UInt32
  let notes: [String]
  let steps: UInt64
  let cycles: UInt64
  let signatures: Int
  /// For people.
  private var remark: String?

  enum CodingKeys: CodingKey {
    case request, pipeline, status, refusal, height, replayed, accepted, quarantined, dropped
    case duplicates, late, notes, steps, cycles, signatures
  }

  init(_ certified: CertifiedReceipt) {
    let receipt = certified.proof.receipt
    request = receipt.call.hex
    pipeline = receipt.pipeline
    switch receipt.status {
    case .applied:
      status = "applied"
      refusal = nil
    case .refused(let why):
      status = "refused"
      refusal = why.description
    }
    height = receipt.height.number
    replayed = receipt.replayOf != nil
    accepted = receipt.tally.accepted
    quarantined = receipt.tally.quarantined
    dropped = receipt.tally.dropped
    duplicates = receipt.tally.duplicates
    late = receipt.tally.late
    notes = receipt.notes.map { note in
      let count =
        note.firstRow > 0
        ? ", \(counted(note.count, "row")), first in row \(note.firstRow)" : " \(note.count)×"
      return "\(note.name)\(count): \(note.message)"
    }
    steps = receipt.usage.steps
    cycles = receipt.charged.number
    signatures = certified.certificate.signers.count
  }

  /// With a line for people below its counts.
  func remarking(_ words: String?) -> ReceiptReport {
    var other = self
    other.remark = words
    return other
  }

  /// What became of its rows, in words; nil where it is about none.
  var rows: String? {
    let counts = [
      (accepted, "accepted"), (quarantined, "quarantined"), (dropped, "dropped"),
      (duplicates, duplicates == 1 ? "duplicate" : "duplicates"), (late, "late"),
    ].filter { $0.0 > 0 }.map { "\(grouped($0.0)) \($0.1)" }
    return counts.isEmpty ? nil : counts.joined(separator: ", ")
  }

  /// Whether it is about no row at all.
  var isOfNoRow: Bool { [accepted, quarantined, dropped, duplicates, late].allSatisfy { $0 == 0 } }

  func text(json: Bool) throws -> String {
    if json { return try Terminal.json(self) }
    var lines = [
      "\(status)\(replayed ? " before; this is the original receipt" : "") at height \(height), "
        + "\(signatures) signatures verified"
    ]
    if let refusal { lines.append("  \(refusal.inset)") }
    if let rows { lines.append("  rows: \(rows)") }
    if let remark { lines.append("  \(remark)") }
    lines += notes.map { "  \($0.inOneLine)" }
    lines.append("  cost: \(cyclesText(cycles)) cycles, \(grouped(steps)) steps")
    lines.append("  request \(request)")
    return lines.joined(separator: "\n")
  }
}
