import ArgumentParser
import Certification
import Foundation
import NodeShell
import Pipelines
import QuorateClient
import Signing
import Synchronization
import Wire

struct IngestCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ingest",
    abstract: "Send rows to a source, in batches; each comes back with a verified certificate.",
    discussion: """
      The file's digest names its batches, so a file sent twice takes effect once, and one that
      broke off goes on where it stopped. Rows whose values break their contract are quarantined
      with their reasons; a wrong header or count of fields, broken quotes or JSON, a NUL or bytes
      that are not UTF-8 refuse their whole batch. A corrected file has another digest: under the
      --key that the refusal prints, its unchanged batches are neither sent nor paid again.

        quorate ingest bank_reconciliation financial_transactions feed.csv --batch 1000
        cat rows.ndjson | quorate ingest guestbook entries - --format ndjson --key today
      """)
  @OptionGroup var location: ClusterLocation
  @OptionGroup var caller: Caller
  @Argument(help: "The pipeline.") var pipeline: String
  @Argument(help: "The source.") var source: String
  @Argument(help: "A CSV or NDJSON file, or - for standard input.") var file: String
  @Option(help: "csv or ndjson; else by the file's name.") var format: RowsFormat?
  @Option(parsing: .unconditional, help: "Rows a batch, at most.") var batch = 1_000
  @Option(
    help: ArgumentHelp(
      "Begins the batches' idempotency keys. Else the digest of the file.", valueName: "prefix"))
  var key: String?
  @Flag(help: "Do not send again what an earlier run saw acknowledged.") var resume = false
  @Flag(help: "The CSV has no header line, as its contract says.") var noHeader = false
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Batches under way at a time; several are ordered as they come. Else 8, or 1 where the "
        + "source holds late rows back.", valueName: "batches"))
  var inFlight: Int?
  @Option(help: "VDBE steps a batch at most; reserved before, paid as used.") var steps: UInt64?
  @Flag(help: "For programs.") var json = false

  func validate() throws {
    guard batch >= 1, batch <= 100_000 else {
      throw ValidationError("--batch is 1 to 100,000 rows.")
    }
    guard (1...64).contains(inFlight ?? 1) else {
      throw ValidationError("--in-flight is 1 to 64.")
    }
    guard file != "-" || format != nil else {
      throw ValidationError("Say --format csv or --format ndjson for standard input.")
    }
    guard !resume || file != "-" || key != nil else {
      throw ValidationError("--resume from standard input needs the --key of the earlier run.")
    }
  }

  func run() async throws {
    try RowStream.check(file)
    let session = try Session(location, caller)
    let found = try await session.pipeline(pipeline)
    let width = await batchesInFlight(found, session)
    let prefix = try key ?? keyOfFile()
    let done = try Acknowledged(
      file: ClusterFolder.ingests(into: session.network.subnet, in: location.folder)
        .appending(path: progressName(prefix, session)),
      resume: resume)
    let rows = try RowStream(
      path: file, format: rowFormat, hasHeader: !noHeader, rowsMax: batch, skipping: done.known
    ) { number, bytes in
      var intention = Intention(
        pipeline: pipeline, method: .ingest(source: source, format: rowFormat), body: bytes,
        key: "\(prefix)-\(batch)-\(number)", stepLimit: steps)
      intention.patienceRefused = Session.patienceRefused
      return intention
    }
    let tally = Mutex(IngestTally())
    let bar = Mutex(ProgressBar("Ingesting", unit: "rows", total: nil))
    let interrupted = Interruption {
      bar.withLock { $0.finish() }
      let (rows, batches) = tally.withLock { ($0.acknowledged, $0.batches) }
      Terminal.warn(interruption(rows: rows, batches: batches, prefix: prefix))
    }
    defer { interrupted.end() }
    do {
      try await session.watched { watch in
        try await session.client.ingest(rows, inFlight: width) { index, certified in
          watch.touch()
          let sent = rows.sent(index)
          done.add(sent)
          tally.withLock { $0.add(certified.proof.receipt, rows: sent.rows) }
          let count = tally.withLock { $0.acknowledged }
          bar.withLock { $0.show(count) }
        }
      }
    } catch let failure as ClientFailure {
      bar.withLock { $0.finish() }
      let words = await session.explained(failure)
      await session.client.close()
      let tally = tally.withLock { $0 }
      try report(tally, width, skipped: rows.skipped, failure: words)
      throw Failure(
        brokenOff(
          failure, words, place: failure.batch.map { rows.sent($0).place }, prefix: prefix,
          hasAcknowledged: tally.acknowledged + rows.skipped > 0))
    }
    bar.withLock { $0.finish() }
    await session.client.close()
    if rows.isEmpty {
      let columns = found.sources.first { $0.name == source }?.fields.map(\.name) ?? []
      throw Failure(rows.emptiness(columns: columns, source: source))
    }
    try report(tally.withLock { $0 }, width, skipped: rows.skipped, failure: nil)
  }

  /// Apart for each pipeline, source and sender: what one acknowledged another has not.
  private func progressName(_ prefix: String, _ session: Session) -> String {
    let who = session.keys.map { String($0.publicKey.hex.prefix(8)) } ?? "nobody"
    return [pipeline, source, "\(who)-\(prefix)"]
      .map { $0.replacingOccurrences(of: "/", with: "_") }.joined(separator: "/")
  }

  /// What was asked for, or what the source's rule for late rows allows; one where too few replicas
  /// tell it.
  private func batchesInFlight(_ found: CatalogPipeline, _ session: Session) async -> Int {
    guard inFlight != 1 else { return 1 }
    let usual = try? await session.client.batchesInFlight(of: source, in: pipeline)
    guard let inFlight else { return usual ?? 1 }
    if usual == 1, found.progress.contains(where: { $0.source == source }) {
      Terminal.warn(
        "\(source) holds late rows back, by a replica's word, and \(inFlight) batches in flight "
          + "are ordered as they come, so rows in order may be taken for late. Use --in-flight 1 "
          + "unless the order does not matter.")
    }
    return inFlight
  }

  private var rowFormat: RowFormat {
    if let format { return format == .csv ? .csv : .ndjson }
    return file.hasSuffix(".ndjson") || file.hasSuffix(".jsonl") || file.hasSuffix(".json")
      ? .ndjson : .csv
  }

  /// The file's digest: the same bytes are the same ingest.
  private func keyOfFile() throws -> String {
    guard file != "-" else { return Session.freshKey() }
    let handle = try RowStream.open(file)
    defer { try? handle.close() }
    var hash = SHA256()
    while let chunk = try handle.read(upToCount: 1 << 20), !chunk.isEmpty {
      hash.update([UInt8](chunk))
    }
    return "\(source)-\(hash.finish().hex.prefix(24))"
  }

  /// Refusals of what a file holds: sent as it is, it is refused again.
  private static let flawsOfFiles: Set = [
    "INPUT", "CSV_COLUMNS", "CSV_QUOTES", "CSV_HEADER", "JSON_SYNTAX", "NUL_BYTE", "UTF8",
    "EMPTY_BATCH", "EXPECTATION_FAILED", "LATE",
  ]

  /// Where the file is wrong, what stays, and how to go on.
  func brokenOff(
    _ failure: ClientFailure, _ words: String, place: BatchPlace?, prefix: String,
    hasAcknowledged: Bool
  ) -> String {
    let name = file == "-" ? "standard input" : file
    guard Self.flawsOfFiles.contains(failure.code) else {
      if failure.code == "IDEMPOTENCY_CONFLICT" || failure.code == "KEY_CONFLICT" {
        return """
          \(words)
          Rows of that batch were taken as they were before. Send \(name) under a new --key: all \
          of it is paid for, and rows that are there already count as duplicates.
          """
      }
      return hasAcknowledged
        ? "\(words)\nWhat was acknowledged stays; go on with: \(again(prefix))" : words
    }
    var lines = [words]
    if let place, let told = place.told(failure.why.inset, lineOfRow: line(ofRow:)) {
      let located = "\(failure.what): \(name), \(told) [\(failure.code)]"
      lines = [words.replacing("\(failure)", with: located)]
    }
    if failure.code == "CSV_HEADER", noHeader {
      lines.append(
        "--no-header is for a source whose contract says so too: csv: { header: false } in "
          + "sources/\(source).yaml.")
    }
    lines.append(
      hasAcknowledged
        ? "Correct \(name), then: \(again(prefix))\nBatches that were acknowledged and are "
          + "unchanged are not sent again."
        : "Nothing of \(name) was taken: correct it and send it again.")
    return lines.joined(separator: "\n")
  }

  /// The line on which a row of the file begins; nil where the file cannot be read again.
  private func line(ofRow row: Int) -> Int? {
    guard file != "-" else { return nil }
    return RowStream.line(
      ofRow: row, in: file, format: rowFormat, hasHeader: !noHeader && rowFormat == .csv)
  }

  /// How far an ingest came that Ctrl-C ended, and how it goes on.
  func interruption(rows: Int, batches: Int, prefix: String) -> String {
    let how = file == "-" ? "Send the same rows again with" : "Go on with"
    return "Interrupted: \(counted(rows, "row")) in \(counted(batches, "batch", "batches")) "
      + "acknowledged; what is under way may still take effect, once. \(how): \(again(prefix))"
  }

  /// The command that goes on under the same keys.
  private func again(_ prefix: String) -> String {
    var words = ["quorate ingest \(pipeline) \(source) \(file) --key \(prefix) --resume"]
    if batch != 1_000 { words.append("--batch \(batch)") }
    if let format { words.append("--format \(format.rawValue)") }
    if noHeader { words.append("--no-header") }
    if let inFlight { words.append("--in-flight \(inFlight)") }
    if let steps { words.append("--steps \(steps)") }
    if let name = caller.name { words.append("--as \(name)") }
    if let directory = location.directory { words.append("--cluster \(directory)") }
    return words.joined(separator: " ")
  }

  private func report(
    _ tally: IngestTally, _ width: Int, skipped: Int, failure: String?
  ) throws {
    var tally = tally
    tally.inFlight = width
    tally.skippedBatches = skipped
    tally.finish()
    if json {
      Terminal.say(try Terminal.json(tally))
    } else if tally.acknowledged > 0 || failure == nil {
      Terminal.say(tally.text(pipeline: pipeline, source: source))
    }
  }
}

enum RowsFormat: String, ExpressibleByArgument, CaseIterable {
  case csv, ndjson
}

/// What became of the rows of one ingest.
struct IngestTally: Encodable {
  /// Rows in batches that came back with a certificate.
  var acknowledged = 0
  var accepted = 0
  var quarantined = 0
  var dropped = 0
  var duplicates = 0
  var late = 0
  var batches = 0
  var replayedBatches = 0
  var skippedBatches = 0
  /// Batches under way at a time, at most.
  var inFlight = 1
  var lastHeight: UInt64 = 0
  var cycles: UInt64 = 0
  var seconds = 0.0
  var rowsPerSecond = 0
  /// Ascending by name, with how often.
  var notes: [String: Int] = [:]
  /// Rows of batches that had no effect, being sent before.
  private var before = RowTally()
  private var messages: [String: String] = [:]
  private let started = ContinuousClock.now

  enum CodingKeys: CodingKey {
    case acknowledged, accepted, quarantined, dropped, duplicates, late, batches
    case replayedBatches, skippedBatches, inFlight, lastHeight, cycles, seconds, rowsPerSecond,
      notes
  }

  mutating func add(_ receipt: Receipt, rows: Int) {
    acknowledged += rows
    batches += 1
    lastHeight = max(lastHeight, receipt.height.number)
    cycles += receipt.charged.number
    if receipt.replayOf != nil {
      replayedBatches += 1
      before.accepted += receipt.tally.accepted
      before.quarantined += receipt.tally.quarantined
      before.dropped += receipt.tally.dropped
      before.duplicates += receipt.tally.duplicates
      before.late += receipt.tally.late
    }
    accepted += Int(receipt.tally.accepted)
    quarantined += Int(receipt.tally.quarantined)
    dropped += Int(receipt.tally.dropped)
    duplicates += Int(receipt.tally.duplicates)
    late += Int(receipt.tally.late)
    for note in receipt.notes {
      notes[note.name, default: 0] += Int(note.count)
      messages[note.name] = messages[note.name] ?? note.message
    }
  }

  mutating func finish() {
    let (whole, rest) = (ContinuousClock.now - started).components
    seconds = Double(whole) + Double(rest) * 1e-18
    rowsPerSecond = Int(Double(acknowledged) / max(seconds, 0.001))
  }

  func text(pipeline: String, source: String) -> String {
    var lines = [
      "\(pipeline)/\(source): \(counted(acknowledged, "row")) in "
        + "\(counted(batches, "batch", "batches")), certified up to height \(lastHeight)"
    ]
    let fresh = duplicates - Int(before.duplicates)
    let rows = [
      (accepted - Int(before.accepted), "accepted"),
      (quarantined - Int(before.quarantined), "quarantined"),
      (dropped - Int(before.dropped), "dropped"),
      (fresh, fresh == 1 ? "duplicate" : "duplicates"), (late - Int(before.late), "late"),
    ].filter { $0.0 > 0 }.map { "\(grouped($0.0)) \($0.1)" }
    if !rows.isEmpty { lines.append("  " + rows.joined(separator: ", ")) }
    if late > 0, inFlight > 1 {
      lines.append(
        "  late is told by the order in which batches were ordered, \(inFlight) being in flight; "
          + "with --in-flight 1 it is that of the file")
    }
    for (name, count) in notes.sorted(by: { $0.key < $1.key }) {
      let message = messages[name].map { ": \($0)" } ?? ""
      lines.append("  \(name), \(counted(count, "row"))\(message)".inOneLine)
    }
    if quarantined > Int(before.quarantined) {
      lines.append("  row by row: quorate pipeline quarantine list \(pipeline) \(source)")
    }
    if replayedBatches > 0 {
      lines.append(
        "  \(counted(replayedBatches, "batch", "batches")) had been sent before and changed nothing"
      )
    }
    if skippedBatches > 0 {
      lines.append("  \(counted(skippedBatches, "batch", "batches")) skipped: resumed")
    }
    lines.append(
      "  \(fixed(seconds, 1)) s, \(grouped(rowsPerSecond)) rows a second, "
        + "\(cyclesText(cycles)) cycles paid by the pipeline")
    return lines.joined(separator: "\n")
  }
}

/// The batches of one ingest that were acknowledged, in a file that only grows.
final class Acknowledged: Sendable {
  private let handle: FileHandle
  /// Those of earlier runs, when resuming: digests of their bytes by their numbers.
  let known: [Int: String]

  init(file: URL, resume: Bool) throws {
    let manager = FileManager.default
    do {
      try manager.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      let text = resume ? (try? String(contentsOf: file, encoding: .utf8)) ?? "" : ""
      known = Self.read(text)
      if !resume || !manager.fileExists(atPath: file.path) {
        _ = manager.createFile(atPath: file.path, contents: nil)
      }
      handle = try FileHandle(forWritingTo: file)
      try handle.seekToEnd()
      try handle.write(contentsOf: Data("\n".utf8))
    } catch {
      throw Failure("Cannot keep the progress of the ingest in \(file.path): \(error)")
    }
  }

  /// A line that a crash tore is followed by no line's end: it is not believed.
  static func read(_ text: String) -> [Int: String] {
    let whole = text.lastIndex(of: "\n").map { text[..<$0] } ?? ""
    var known: [Int: String] = [:]
    for line in whole.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2, let number = Int(words[0]) { known[number] = String(words[1]) }
    }
    return known
  }

  func add(_ sent: RowStream.Sent) {
    try? handle.write(contentsOf: Data("\(sent.number) \(sent.digest)\n".utf8))
  }
}
