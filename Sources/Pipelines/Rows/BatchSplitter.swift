import Wire

/// Cuts a stream of CSV or NDJSON into batches at exact record boundaries, each with the header.
///
/// The same stream and the same sizes give the same batches, however it comes in, so an ingest
/// that broke off is taken up again under the same idempotency keys. Empty lines, which are no
/// rows, are left out.
///
/// - Bound: holds one batch and one record; a record over `bytesMax` is refused.
package struct BatchSplitter: Sendable {
  package struct Batch: Sendable, Hashable {
    /// Counts batches from 0.
    package let number: Int
    package let bytes: [UInt8]
    /// The place of its first row in the stream, from 1.
    package let firstRow: Int
    package let rowCount: Int
  }

  private let format: RowFormat
  private let hasHeader: Bool
  private let rowsMax: Int
  private let bytesMax: Int
  private let delimiters: [UInt8]

  private var header: [UInt8] = []
  private var headerSeen = false
  private var batch: [UInt8] = []
  private var batchRows = 0
  private var record: [UInt8] = []
  private var quoted = false
  /// Whether a record was seen, and whether more than one field stands in the first: an empty line
  /// may be one empty field.
  private var recordSeen = false
  private var hasFields = false
  private var rowsCut = 0
  private var batchesCut = 0

  /// - Precondition: both limits are at least 1.
  package init(format: RowFormat, csv: CSVDialect, rowsMax: Int, bytesMax: Int) {
    precondition(rowsMax >= 1 && bytesMax >= 1, "\(rowsMax) rows, \(bytesMax) bytes")
    self.format = format
    self.rowsMax = rowsMax
    self.bytesMax = bytesMax
    hasHeader = format == .csv && csv.header
    delimiters = [csv.delimiter, UInt8(ascii: ","), UInt8(ascii: ";"), 0x09, UInt8(ascii: "|")]
  }

  /// Takes the next bytes of the stream and gives the batches that they complete.
  package mutating func push(_ chunk: [UInt8]) throws(Refusal) -> [Batch] {
    var done: [Batch] = []
    var start = 0
    for index in chunk.indices {
      let byte = chunk[index]
      if byte == UInt8(ascii: "\""), format == .csv { quoted.toggle() }
      if !recordSeen, !quoted, delimiters.contains(byte) { hasFields = true }
      guard byte == 0x0a, !quoted else { continue }
      record.append(contentsOf: chunk[start...index])
      start = index + 1
      if let batch = try endRecord() { done.append(batch) }
    }
    record.append(contentsOf: chunk[start...])
    guard record.count <= bytesMax else { throw recordTooLong() }
    return done
  }

  /// Ends the stream and gives the batches that are left.
  package mutating func finish() throws(Refusal) -> [Batch] {
    var done: [Batch] = []
    if !record.isEmpty {
      guard !quoted else {
        throw Refusal(
          "CSV_QUOTES",
          "row \(rowsCut + batchRows + 1): a quote that is never closed; close it and send the "
            + "rest again")
      }
      if let batch = try endRecord() { done.append(batch) }
    }
    if batchRows > 0 { done.append(cut()) }
    return done
  }

  /// Adds the record, unless it is an empty line; gives the batch before it, if the record does not
  /// fit in.
  private mutating func endRecord() throws(Refusal) -> Batch? {
    defer { record.removeAll(keepingCapacity: true) }
    let isBlank = record == [0x0a] || record == [0x0d, 0x0a] || record == [0x0d]
    guard !isBlank || format == .csv && !hasFields else { return nil }
    recordSeen = true
    if hasHeader, !headerSeen {
      headerSeen = true
      header = record
      if header.last != 0x0a { header.append(0x0a) }
      return nil
    }
    guard header.count + record.count <= bytesMax else { throw recordTooLong() }
    let isFull =
      batchRows == rowsMax || header.count + batch.count + record.count > bytesMax
    let done = batchRows > 0 && isFull ? cut() : nil
    batch.append(contentsOf: record)
    batchRows += 1
    return done
  }

  private mutating func cut() -> Batch {
    let whole = Batch(
      number: batchesCut, bytes: header + batch, firstRow: rowsCut + 1, rowCount: batchRows)
    rowsCut += batchRows
    batchesCut += 1
    batch.removeAll(keepingCapacity: true)
    batchRows = 0
    return whole
  }

  private func recordTooLong() -> Refusal {
    Refusal(
      "RECORD_BYTES",
      "row \(rowsCut + batchRows + 1) has more than \(bytesMax) bytes; check its quotes")
  }
}
