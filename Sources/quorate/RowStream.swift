import Foundation
import Pipelines
import QuorateClient
import Signing
import Synchronization
import Wire

/// Where in its file a batch stands.
struct BatchPlace: Equatable {
  /// Lines that the header takes, in the file and in every batch.
  let headerLines: Int
  /// The line of its first row in the file, from 1.
  let firstLine: Int
  /// The number of its first row in the file, from 1.
  let firstRow: Int

  /// What a replica said of a batch, told of the file: `line 2502, row 2501: 7 fields, …`.
  func ofFile(_ words: String) -> String {
    guard let match = words.firstMatch(of: #/^line (\d+)(?:, row (\d+))?/#),
      let line = Self.count(match.1)
    else { return words }
    let inFile = line <= headerLines ? line : firstLine + line - headerLines - 1
    let row = match.2.flatMap(Self.count).map { ", row \(firstRow + $0 - 1)" } ?? ""
    return "line \(inFile)\(row)" + words[match.range.upperBound...]
  }

  /// What was said of a line, a row or the whole of a batch, told of the file; nil for other words.
  ///
  /// - Parameter lineOfRow: the line on which a row of the file begins, where it can be known.
  func told(_ words: String, lineOfRow: (Int) -> Int?) -> String? {
    if words.hasPrefix("line ") { return ofFile(words) }
    if words.hasPrefix("the batch does not meet") {
      return "line \(firstLine), row \(firstRow) and those after it: \(words)"
    }
    guard let match = words.firstMatch(of: #/^row (\d+)/#), let row = Self.count(match.1) else {
      return nil
    }
    let inFile = firstRow + row - 1
    let line = lineOfRow(inFile).map { "line \($0), " } ?? ""
    return "\(line)row \(inFile)" + words[match.range.upperBound...]
  }

  /// No batch has more lines or rows than bytes; who names more is not believed.
  private static func count(_ digits: Substring) -> Int? {
    Int(digits).flatMap { $0 <= Limits.callBodyBytesMax ? $0 : nil }
  }
}

/// The batches of a file or of standard input, cut as they are asked for.
///
/// - Bound: one batch and one record are held, and 40 bytes for each batch that was sent.
final class RowStream: AsyncSequence, Sendable {
  typealias Element = Intention
  struct Sent {
    let number: Int
    let rows: Int
    /// Names its bytes.
    let digest: String
    let place: BatchPlace
  }
  private struct State {
    var splitter: BatchSplitter
    var waiting: [BatchSplitter.Batch] = []
    var ended = false
    var sent: [Sent] = []
    var skipped = 0
    var header = HeaderLine()
    /// Lines in the batches that were cut, without their headers.
    var lines = 0
  }

  /// As people call it.
  let name: String
  private let handle: FileHandle
  private let state: Mutex<State>
  private let known: [Int: String]
  private let hasHeader: Bool
  private let intention: @Sendable (Int, [UInt8]) -> Intention

  /// - Parameter known: batches that need not be sent again, by number, while their bytes have
  ///   this digest.
  init(
    path: String, format: RowFormat, hasHeader: Bool, rowsMax: Int, skipping known: [Int: String],
    intention: @escaping @Sendable (Int, [UInt8]) -> Intention
  ) throws {
    handle = try Self.open(path)
    name = path == "-" ? "standard input" : path
    self.known = known
    self.intention = intention
    self.hasHeader = hasHeader && format == .csv
    var dialect = CSVDialect()
    dialect.header = hasHeader
    state = Mutex(
      State(
        splitter: BatchSplitter(
          format: format, csv: dialect, rowsMax: rowsMax, bytesMax: Limits.callBodyBytesMax)))
  }

  /// Says at once that a file cannot be read.
  static func check(_ path: String) throws {
    let handle = try open(path)
    if path != "-" { try? handle.close() }
  }

  static func open(_ path: String) throws -> FileHandle {
    if path == "-" { return .standardInput }
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      throw quorate.Failure("\(path) is a folder; name a file.")
    }
    guard let handle = FileHandle(forReadingAtPath: path) else {
      throw quorate.Failure("Cannot read \(path); check the name.")
    }
    return handle
  }

  /// The line on which a row begins, whatever lines the fields before it hold; nil where the file
  /// cannot be read or has no such row.
  static func line(
    ofRow wanted: Int, in path: String, format: RowFormat, hasHeader: Bool
  ) -> Int? {
    guard let handle = try? open(path) else { return nil }
    defer { try? handle.close() }
    var (line, row, isQuoted, begins) = (1, hasHeader ? -1 : 0, false, true)
    while let chunk = try? handle.read(upToCount: 1 << 18), !chunk.isEmpty {
      for byte in chunk {
        // An empty line is no row.
        if begins, byte != 0x0a, byte != 0x0d {
          begins = false
          row += 1
          if row == wanted { return line }
        }
        if byte == UInt8(ascii: "\""), format == .csv { isQuoted.toggle() }
        guard byte == 0x0a else { continue }
        line += 1
        begins = !isQuoted
      }
    }
    return nil
  }

  /// What the intention of this place in the order was.
  func sent(_ index: Int) -> Sent { state.withLock { $0.sent[index] } }
  var skipped: Int { state.withLock { $0.skipped } }
  /// Whether it ended without a single row.
  var isEmpty: Bool { state.withLock { $0.ended && $0.sent.isEmpty && $0.skipped == 0 } }

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
          if let intention = take(batch, &state) { return intention }
          continue
        }
        guard !state.ended else { return nil }
        try read(&state)
      }
    }
  }

  /// nil for a batch that need not be sent again.
  private func take(_ batch: BatchSplitter.Batch, _ state: inout State) -> Intention? {
    let headerLines = hasHeader ? Swift.max(1, state.header.lines) : 0
    let place = BatchPlace(
      headerLines: headerLines, firstLine: headerLines + state.lines + 1, firstRow: batch.firstRow)
    state.lines += batch.bytes.count { $0 == 0x0a } - headerLines
    let digest = String(sha256(batch.bytes).hex.prefix(32))
    if known[batch.number] == digest {
      state.skipped += 1
      return nil
    }
    state.sent.append(
      Sent(number: batch.number, rows: batch.rowCount, digest: digest, place: place))
    return intention(batch.number, batch.bytes)
  }

  private func read(_ state: inout State) throws {
    let chunk = [UInt8](try handle.read(upToCount: 1 << 18) ?? Data())
    if hasHeader { state.header.take(chunk) }
    do throws(Refusal) {
      state.ended = chunk.isEmpty
      state.waiting = chunk.isEmpty ? try state.splitter.finish() : try state.splitter.push(chunk)
    } catch {
      throw quorate.Failure("\(name), \(error.message)")
    }
  }

  /// Why a file without rows was not sent, with the header that the source's columns call for.
  func emptiness(columns: [String], source: String) -> String {
    let nothing = "\(name) holds no rows: nothing was sent."
    let header = state.withLock { $0.header }
    guard hasHeader, !header.text.isEmpty else { return nothing }
    guard !header.names(allOf: columns) else { return "\(nothing) Its one line is the header." }
    return """
      \(nothing) Its one line was taken for the header:
        \(header.text.prefix(200))
      \(source) expects a header of \(columns.joined(separator: ",")), or of the names that its \
      contract gives these by 'from:'. Put it above the rows; --no-header is for a contract that \
      says csv: { header: false }.
      """
  }
}

/// The first record of a CSV file.
private struct HeaderLine {
  private var bytes: [UInt8] = []
  private var isQuoted = false
  private var isWhole = false

  mutating func take(_ chunk: [UInt8]) {
    guard !isWhole else { return }
    for byte in chunk {
      bytes.append(byte)
      if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
      guard byte == 0x0a, !isQuoted else { continue }
      isWhole = true
      return
    }
  }

  var lines: Int { bytes.count { $0 == 0x0a } }

  var text: String {
    String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// Whether its fields are these names and no others, in any order, by any usual delimiter.
  func names(allOf columns: [String]) -> Bool {
    let plain = text.trimmingCharacters(in: CharacterSet(charactersIn: "\u{FEFF}"))
    return [",", ";", "\t", "|"].contains { delimiter in
      let fields = plain.components(separatedBy: delimiter).map {
        $0.trimmingCharacters(in: CharacterSet(charactersIn: "\""))
      }
      return Set(fields) == Set(columns)
    }
  }
}
