import Pipelines
import Testing
import Wire

/// Bytes by seed: SplitMix64.
private struct Bytes: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

@Suite struct `Hostile bytes` {
  @Test(arguments: 0..<4)
  func `end in rows or in a refusal, whatever a batch holds`(seed: UInt64) throws {
    var random = Bytes(state: seed)
    var source = Contracts.payments
    source.unknownFields = .capture
    source.columns += [
      SourceColumn(name: "t", type: .timestamp), SourceColumn(name: "u", type: .uuid),
      SourceColumn(name: "b", type: .bytes), SourceColumn(name: "c", type: .bytes, parse: .base64),
      SourceColumn(name: "j", type: .json),
      SourceColumn(name: "o", type: .bool, matches: nil), SourceColumn(name: "n", type: .int),
      SourceColumn(name: "y", type: .date, parse: .yymmddTime),
    ]
    let decoder = try RowDecoder(source: source, defaults: Defaults())
    let csv = Array(
      "id,amount,booked,side,t,u,b,j,o,n,y\na,1,2026-01-31,IN,2026-01-31T10:00:00Z,,0x00,{},1,2,\n"
        .utf8)
    let json = Array(
      #"{"id":"a","amount":1.5,"j":{"k":[1,"\u00e4",null]},"b":"0x00","c":"AP8=","o":true,"n":-2}"#
        .utf8)
    #expect(try decoder.decode(csv, format: .csv).rowCount == 1)
    #expect(try decoder.decode(json, format: .ndjson).rowCount == 1)
    let palette = Array("\"\\,;:{}[]\r\n-.0123456789eEtfnuTZ+ä€x ".utf8)
    for (text, format) in [(csv, RowFormat.csv), (json, .ndjson)] {
      for _ in 0..<4_000 {
        var bytes = text
        for _ in 0...random.next(upperBound: UInt64(6)) {
          let at = Int(random.next(upperBound: UInt64(bytes.count)))
          switch random.next(upperBound: UInt64(4)) {
          case 0: bytes.remove(at: at)
          case 1: bytes.insert(palette.randomElement(using: &random) ?? 0, at: at)
          case 2: bytes[at] = UInt8(truncatingIfNeeded: random.next())
          default: bytes.removeLast(min(bytes.count - 1, 3))
          }
        }
        guard let batch = try? decoder.decode(bytes, format: format) else { continue }
        #expect(batch.cells.count == batch.rowCount * batch.columnCount)
        for row in 0..<batch.rowCount { #expect(batch.row(row).count == batch.columnCount) }
      }
    }
  }

  @Test func `end in a package or a refusal, whatever a deploy holds`() throws {
    let package = try PackageReader.read(Chain.files())
    let bytes = package.canonicalBytes
    var random = Bytes(state: 11)
    #expect(try Package(canonicalBytes: bytes) == package)
    var decoded = 0
    for _ in 0..<2_000 {
      var changed = bytes
      let at = Int(random.next(upperBound: UInt64(bytes.count)))
      changed[at] = UInt8(truncatingIfNeeded: random.next())
      guard changed != bytes, let other = try? Package(canonicalBytes: changed) else { continue }
      // Another package, then: never the same one by other bytes.
      #expect(other != package)
      #expect(other.canonicalBytes == changed)
      decoded += 1
      _ = try? CheckedPackage(other)
    }
    #expect(decoded > 100)
  }
}
