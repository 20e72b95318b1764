import ArgumentParser
import Certification
import Foundation
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
      broke off goes on where it stopped. Rows that break their contract are quarantined with
      their reasons; the counts are printed.

        quorate ingest bank_reconciliation financial_transactions feed.csv --batch 1000
        cat rows.ndjson | quorate ingest guestbook entries - --format ndjson --key today
      """)
  @OptionGroup var location: ClusterLocation
  @OptionGroup var caller: Caller
  @Argument(help: "The pipeline.") var pipeline: String
  @Argument(help: "The source.") var source: String
  @Argument(help: "A CSV or NDJSON file, or - for standard input.") var file: String
  @Option(help: "csv or ndjson; else by the file's name.") var format: RowsFormat?
  @Option(help: "Rows a batch, at most.") var batch = 1_000
  @Option(
    help: ArgumentHelp(
      "Begins the batches' idempotency keys. Else the digest of the file.", valueName: "prefix"))
  var key: String?
  @Flag(help: "Do not send again what an earlier run saw acknowledged.") var resume = false
  @Flag(help: "The CSV has no header line, as its contract says.") var noHeader = false
  @Option(
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
    let session = try Session(location, caller)
    let width = try await batchesInFlight(session)
    let prefix = try key ?? keyOfFile()
    let done = try Acknowledged(
      file: location.folder.appending(
        path: "ingests/\(prefix.replacingOccurrences(of: "/", with: "_"))"),
      resume: resume)
    let rows = try RowStream(
      path: file, format: rowFormat, hasHeader: !noHeader, rowsMax: batch, skipping: done.numbers
    ) { number, bytes in
      Intention(
        pipeline: pipeline, method: .ingest(source: source, format: rowFormat), body: bytes,
        key: "\(prefix)-\(batch)-\(number)", stepLimit: steps)
    }
    let tally = Mutex(IngestTally())
    let bar = Mutex(ProgressBar("Ingesting", unit: "rows", total: nil))
    do {
      try await session.client.ingest(rows, inFlight: width) { index, certified in
        let sent = rows.sent(index)
        done.add(sent.number)
        tally.withLock { $0.add(certified.proof.receipt, rows: sent.rows) }
        let count = tally.withLock { $0.acknowledged }
        bar.withLock { $0.show(count) }
      }
    } catch {
      bar.withLock { $0.finish() }
      await session.client.close()
      try report(tally.withLock { $0 }, width, skipped: rows.skipped, failure: "\(error)")
      let kept = tally.withLock { $0.acknowledged } > 0
      throw Failure(
        "\(error)" + (kept ? "\nWhat was acknowledged stays; go on with --resume." : ""))
    }
    bar.withLock { $0.finish() }
    await session.client.close()
    try report(tally.withLock { $0 }, width, skipped: rows.skipped, failure: nil)
  }

  /// What was asked for, or what the source's rule for late rows allows.
  private func batchesInFlight(_ session: Session) async throws -> Int {
    let found = try await session.pipeline(pipeline)
    let progress = found.progress.first { $0.source == source }
    let usual = progress?.inFlightUsual ?? 1
    guard let inFlight else { return usual }
    if inFlight > 1, usual == 1, let progress {
      Terminal.warn(
        "\(source) holds late rows back (late: \(progress.late)), and \(inFlight) batches in "
          + "flight are ordered as they come, so rows in order may be taken for late. Use "
          + "--in-flight 1 unless the order does not matter.")
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
    guard let handle = FileHandle(forReadingAtPath: file) else { throw unreadable(file) }
    defer { try? handle.close() }
    var hash = SHA256()
    while let chunk = try handle.read(upToCount: 1 << 20), !chunk.isEmpty {
      hash.update([UInt8](chunk))
    }
    return "\(source)-\(hash.finish().hex.prefix(24))"
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
    if receipt.replayOf != nil { replayedBatches += 1 }
    accepted += Int(receipt.tally.accepted)
    quarantined += Int(receipt.tally.quarantined)
    dropped += Int(receipt.tally.dropped)
    duplicates += Int(receipt.tally.duplicates)
    late += Int(receipt.tally.late)
    for note in receipt.notes { notes[note.name, default: 0] += Int(note.count) }
  }

  mutating func finish() {
    let (whole, rest) = (ContinuousClock.now - started).components
    seconds = Double(whole) + Double(rest) * 1e-18
    rowsPerSecond = Int(Double(acknowledged) / max(seconds, 0.001))
  }

  func text(pipeline: String, source: String) -> String {
    var lines = [
      "\(pipeline)/\(source): \(grouped(acknowledged)) rows in \(grouped(batches)) batches, "
        + "certified up to height \(lastHeight)"
    ]
    let rows = [
      (accepted, "accepted"), (quarantined, "quarantined"), (dropped, "dropped"),
      (duplicates, "duplicates"), (late, "late"),
    ].filter { $0.0 > 0 }.map { "\(grouped($0.0)) \($0.1)" }
    if !rows.isEmpty { lines.append("  " + rows.joined(separator: ", ")) }
    if late > 0, inFlight > 1 {
      lines.append(
        "  late is told by the order in which batches were ordered, \(inFlight) being in flight; "
          + "with --in-flight 1 it is that of the file")
    }
    for (name, count) in notes.sorted(by: { $0.key < $1.key }) {
      lines.append("  \(name): \(grouped(count)) rows")
    }
    if replayedBatches > 0 {
      lines.append("  \(grouped(replayedBatches)) batches had been sent before and changed nothing")
    }
    if skippedBatches > 0 { lines.append("  \(grouped(skippedBatches)) batches skipped: resumed") }
    lines.append(
      "  \(fixed(seconds, 1)) s, \(grouped(rowsPerSecond)) rows a second, "
        + "\(cyclesText(cycles)) cycles paid by the pipeline")
    return lines.joined(separator: "\n")
  }
}

/// The batches of one ingest that were acknowledged, in a file that only grows.
final class Acknowledged: Sendable {
  private let handle: FileHandle
  /// Those of earlier runs, when resuming.
  let numbers: Set<Int>

  init(file: URL, resume: Bool) throws {
    let manager = FileManager.default
    do {
      try manager.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      let text = resume ? (try? String(contentsOf: file, encoding: .utf8)) ?? "" : ""
      // A line that a crash tore is no number, or is followed by no line's end: it is not believed.
      let whole = text.lastIndex(of: "\n").map { text[..<$0] } ?? ""
      numbers = Set(whole.split(separator: "\n").compactMap { Int($0) })
      if !resume || !manager.fileExists(atPath: file.path) {
        manager.createFile(atPath: file.path, contents: nil)
      }
      handle = try FileHandle(forWritingTo: file)
      try handle.seekToEnd()
      try handle.write(contentsOf: Data("\n".utf8))
    } catch {
      throw Failure("Cannot keep the progress of the ingest in \(file.path): \(error)")
    }
  }

  func add(_ number: Int) { try? handle.write(contentsOf: Data("\(number)\n".utf8)) }
}

/// The batches of a file or of standard input, cut as they are asked for.
final class RowStream: AsyncSequence, Sendable {
  typealias Element = Intention
  struct Sent {
    let number: Int
    let rows: Int
  }
  private struct State {
    var splitter: BatchSplitter
    var waiting: [BatchSplitter.Batch] = []
    var ended = false
    var sent: [Sent] = []
    var skipped = 0
  }

  private let handle: FileHandle
  private let state: Mutex<State>
  private let known: Set<Int>
  private let intention: @Sendable (Int, [UInt8]) -> Intention

  init(
    path: String, format: RowFormat, hasHeader: Bool, rowsMax: Int, skipping known: Set<Int>,
    intention: @escaping @Sendable (Int, [UInt8]) -> Intention
  ) throws {
    guard let handle = path == "-" ? .standardInput : FileHandle(forReadingAtPath: path) else {
      throw unreadable(path)
    }
    self.handle = handle
    self.known = known
    self.intention = intention
    var dialect = CSVDialect()
    dialect.header = hasHeader
    state = Mutex(
      State(
        splitter: BatchSplitter(
          format: format, csv: dialect, rowsMax: rowsMax, bytesMax: Limits.callBodyBytesMax)))
  }

  /// What the intention of this place in the order was.
  func sent(_ index: Int) -> Sent { state.withLock { $0.sent[index] } }
  var skipped: Int { state.withLock { $0.skipped } }

  func makeAsyncIterator() -> Iterator { Iterator(stream: self) }

  struct Iterator: AsyncIteratorProtocol {
    let stream: RowStream
    mutating func next() async throws -> Intention? { try stream.next() }
  }

  private func next() throws -> Intention? {
    try state.withLock { state in
      while true {
        if let batch = state.waiting.first {
          state.waiting.removeFirst()
          if known.contains(batch.number) {
            state.skipped += 1
            continue
          }
          state.sent.append(Sent(number: batch.number, rows: batch.rowCount))
          return intention(batch.number, batch.bytes)
        }
        guard !state.ended else { return nil }
        let chunk = try handle.read(upToCount: 1 << 18) ?? Data()
        if chunk.isEmpty {
          state.ended = true
          state.waiting = try state.splitter.finish()
        } else {
          state.waiting = try state.splitter.push([UInt8](chunk))
        }
      }
    }
  }
}

private func unreadable(_ path: String) -> Failure {
  Failure("Cannot read \(path); check the name.")
}
