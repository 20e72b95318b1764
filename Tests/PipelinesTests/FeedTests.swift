import Foundation
import Pipelines
import Testing
import Wire

@Suite struct `A feed by seed` {
  @Test func `is the same bytes for the same seed, and others for another`() {
    let bytes = FeedGenerator(seed: 7, rows: 400).files.map(\.text)
    #expect(FeedGenerator(seed: 7, rows: 400).files.map(\.text) == bytes)
    #expect(FeedGenerator(seed: 8, rows: 400).files.map(\.text) != bytes)
    // The first bytes of a known seed: another machine or compiler must give them too.
    #expect(
      String(decoding: bytes[1].prefix(83), as: UTF8.self)
        == "transaction_id,bank_id,side,customer_id,amount,currency,value_date,due_date,referen")
  }

  @Test func `decodes by the example's contracts, with as many broken lines as it says`() throws {
    let files = try PackageFiles(directory: Folders.pipeline("bank-reconciliation"))
    let (package, _) = try PackageReader.readUnchecked(files)
    let feed = FeedGenerator(seed: 42, rows: 3_000)
    var rejected = 0
    for (format, files) in [(RowFormat.csv, feed.files), (.ndjson, feed.ndjsonFiles)] {
      for (name, text) in files {
        let source = try #require(package.source(name))
        let decoder = try RowDecoder(source: source, defaults: package.defaults)
        let batch = try decoder.decode(text, format: format)
        #expect(batch.rowCount > 0)
        if name == "financial_transactions" {
          rejected = batch.rejected.count
        } else {
          #expect(batch.rejected.isEmpty, "\(name): \(batch.rejected.first?.errors ?? "")")
        }
      }
    }
    // Wrong banks and zero amounts are decoded; expectations turn them away.
    #expect(rejected > 0 && rejected < feed.counts.broken)
    #expect(feed.counts.pairs > 1_000 && feed.counts.repeated > 10 && feed.counts.ambiguous > 10)
  }
}

@Suite struct `A stream cut into batches` {
  static let stream = Array("h\n1\n\"2\n2\"\n3\n4\n5".utf8)

  static func cut(_ pieces: [[UInt8]], rows: Int, bytes: Int = 1_000) throws -> [BatchSplitter
    .Batch]
  {
    var splitter = BatchSplitter(
      format: .csv, csv: CSVDialect(), rowsMax: rows, bytesMax: bytes)
    var batches: [BatchSplitter.Batch] = []
    for piece in pieces { batches += try splitter.push(piece) }
    return batches + (try splitter.finish())
  }

  @Test func `carries the header in each and cuts at records, not at lines`() throws {
    let batches = try Self.cut([Self.stream], rows: 2)
    #expect(
      batches.map { String(decoding: $0.bytes, as: UTF8.self) } == [
        "h\n1\n\"2\n2\"\n", "h\n3\n4\n", "h\n5",
      ])
    #expect(batches.map(\.firstRow) == [1, 3, 5])
    #expect(batches.map(\.rowCount) == [2, 2, 1])
  }

  @Test(arguments: 1...5)
  func `is the same however the bytes come in`(rows: Int) throws {
    let whole = try Self.cut([Self.stream], rows: rows)
    #expect(try Self.cut(Self.stream.map { [$0] }, rows: rows) == whole)
    #expect(whole.map(\.rowCount).reduce(0, +) == 5)
  }

  @Test(arguments: [",", ";"])
  func `leaves out empty lines, unless they may be fields`(delimiter: String) throws {
    let stream = "k,a\n1,\n\r\n2,\n\n3,\n\n".replacing(",", with: delimiter)
    let batches = try Self.cut([Array(stream.utf8)], rows: 2)
    #expect(
      batches.map { String(decoding: $0.bytes, as: UTF8.self) }
        == ["k,a\n1,\n2,\n", "k,a\n3,\n"].map { $0.replacing(",", with: delimiter) })
    #expect(batches.map(\.firstRow) == [1, 3])
    #expect(try Self.cut([Array("k\n1\n\n2\n".utf8)], rows: 9).map(\.rowCount) == [3])
  }

  @Test func `keeps within the bytes, and refuses a record that cannot`() throws {
    #expect(try Self.cut([Self.stream], rows: 100, bytes: 9).map(\.rowCount) == [1, 1, 3])
    #expect(throws: Refusal.self) { try Self.cut([Self.stream], rows: 100, bytes: 6) }
    #expect(throws: Refusal.self) { try Self.cut([Array("h\n\"1\n2\n".utf8)], rows: 1) }
  }
}

@Suite struct `The Berka files` {
  @Test func `decode to the last row, and sums equal those of plain text`() throws {
    guard let place = Folders.berka else {
      return print("skipped: the Berka files are absent; set QUORATE_BERKA to their folder")
    }
    let files = try PackageFiles(directory: Folders.pipeline("berka"))
    let (package, _) = try PackageReader.readUnchecked(files)
    for (name, file, count) in [
      ("accounts", "account", 4_500), ("districts", "district", 77), ("orders", "order", 6_471),
      ("transactions", "trans", 49_102),
    ] {
      let source = try #require(package.source(name))
      let bytes = Array(try Data(contentsOf: place.appending(path: "\(file).asc")))
      let batches = try split(bytes, source)
      let decoder = try RowDecoder(source: source, defaults: package.defaults)
      var rows = 0
      var hundredths: Int64 = 0
      for batch in batches {
        let decoded = try decoder.decode(batch.bytes, format: .csv)
        #expect(decoded.rejected.isEmpty, "\(decoded.rejected.first?.errors ?? "")")
        rows += decoded.rowCount
        guard let amount = source.columns.firstIndex(where: { $0.name == "amount" }) else {
          continue
        }
        for row in 0..<decoded.rowCount {
          if case .integer(let value) = decoded.cell(row: row, column: amount) {
            hundredths += value
          }
        }
      }
      #expect(rows == count)
      if name == "transactions" { #expect(hundredths == plainSum(bytes)) }
    }
  }

  private func split(_ bytes: [UInt8], _ source: Source) throws -> [BatchSplitter.Batch] {
    var splitter = BatchSplitter(format: .csv, csv: source.csv, rowsMax: 1_000, bytesMax: 1 << 20)
    return try splitter.push(bytes) + splitter.finish()
  }

  /// The sum of the sixth field without its point.
  private func plainSum(_ bytes: [UInt8]) -> Int64 {
    bytes.split(separator: 0x0a).dropFirst().reduce(0) { sum, line in
      let digits = line.split(separator: 0x3b, omittingEmptySubsequences: false)[5]
        .filter { $0 != 0x2e }
      return sum + (Int64(String(decoding: digits, as: UTF8.self)) ?? 0)
    }
  }
}
