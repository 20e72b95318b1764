import Certification
import Signing
import Testing
import Wire

/// A value that travels, without its type.
private struct Travelling: Sendable {
  let name: String
  let bytes: [UInt8]
  let reencoded: @Sendable ([UInt8]) throws(Malformed) -> [UInt8]

  init<T: Canonical & Equatable>(_ name: String, _ value: T) {
    self.name = name
    bytes = value.canonicalBytes
    reencoded = { bytes throws(Malformed) in try T(canonicalBytes: bytes).canonicalBytes }
  }
}

private func travelling() throws -> [Travelling] {
  let fixture = try Fixture(rows: 6)
  let rowsRequest = fixture.request(.range(from: [.text("bank 0"), .int(1)], to: nil), limit: 3)
  let leaves = fixture.receipts.map(ReceiptTree.leaf)
  let receipt = CertifiedReceipt(
    proof: ReceiptProof(
      receipt: fixture.receipts[1], count: 5, path: ReceiptTree.path(of: 1, in: leaves)),
    certificate: fixture.certificate)
  let answer = fixture.signed(fixture.content(), by: 1)
  return [
    Travelling("query", SignedRead(request: fixture.query, signature: answer.signature)),
    Travelling("answer", answer),
    Travelling("answer statement", answer.content.statement(by: 1)),
    Travelling("schema", fixture.schema),
    Travelling("rows request", rowsRequest),
    Travelling("rows", try fixture.answer(rowsRequest)),
    Travelling("masked rows", try fixture.answer(rowsRequest, masked: true)),
    Travelling("receipt", receipt),
    Travelling("saved rows", SavedAnswer.rows(rowsRequest, try fixture.answer(rowsRequest))),
  ]
}

@Suite struct `What clients read` {
  /// SHA-256 of each encoding.
  private static let golden: [String: String] = [
    "query": "fbe65c2092f955d3945ddabd0f0efdb970fbcf4d9f96ca7e97f49a6785eaef1d",
    "answer": "ccda3e0cda3e4fb0f16ac4f76f0e99e30681fed8d905127b5b5d5a5919df9545",
    "answer statement": "0cd69b6f9325cdd23b5c74d33661f5cc9b36fe1353a1ec0e5fdeb8217e38787c",
    "schema": "31672aa64d77b4d79ab2e6202de185835649ab651f0e89e6bc3dd65144ecc345",
    "rows request": "1f0ba35431ff98ed10d8004077506084de576a8a32f66146870e536df3797be1",
    "rows": "e8f9f708eb9bf13894655f73d51f34296ccd975ac027777bce4ccc113dc64e41",
    "masked rows": "1e63c6c74c7cb6ba7b69da59de06031a21ca00c15da3e3233b0bd69254038ccf",
    "receipt": "69661e5445012aaf0fe50cfd4c14b1fa2cbcb34a2ebad455ed3ff0eb92f472c0",
    "saved rows": "30d70383dcfd03c7ddf0a29e49cf2c988b7c3dfed8f0f749e6b81884aa57df1f",
  ]

  @Test func `has one golden form, which is read back`() throws {
    let values = try travelling()
    #expect(values.map(\.name).sorted() == Self.golden.keys.sorted())
    for value in values {
      #expect(sha256(value.bytes).hex == Self.golden[value.name], "\(value.name)")
      #expect(try value.reencoded(value.bytes) == value.bytes)
    }
  }

  @Test func `is refused when it ends early`() throws {
    for value in try travelling() {
      for count in 0..<value.bytes.count {
        #expect(throws: Malformed.self, "\(value.name) of \(count)") {
          try value.reencoded(Array(value.bytes.prefix(count)))
        }
      }
    }
  }

  @Test func `means something else or nothing with any byte altered`() throws {
    for value in try travelling() {
      for index in value.bytes.indices {
        for bit in [0x01, 0x80] as [UInt8] {
          var bytes = value.bytes
          bytes[index] ^= bit
          guard let again = try? value.reencoded(bytes) else { continue }
          #expect(again == bytes, "\(value.name) at \(index)")
        }
      }
    }
  }

  @Test func `proves the same or nothing with any byte of certified rows altered`() throws {
    let fixture = try Fixture(rows: 6)
    let request = fixture.request(.range(from: [.text("bank 0"), .int(1)], to: nil), limit: 3)
    let honest = try fixture.answer(request)
    #expect(fixture.fault(honest, request) == nil)
    let bytes = honest.canonicalBytes
    for index in stride(from: 0, to: bytes.count, by: 3) {
      var altered = bytes
      altered[index] ^= 0x04
      guard let answer = try? CertifiedRows(canonicalBytes: altered) else { continue }
      #expect(fixture.fault(answer, request) != nil, "byte \(index)")
    }
  }
}

@Suite struct `Hashes of state` {
  private let columns = [Value.text("a"), .int(-1), .null, .bytes([0xff])]

  /// What any other program must compute, too.
  @Test func `have one golden form`() {
    let nonce = sha256([0x4e])
    #expect(RowHash.cell(.text("a")) == sha256([0x04, 0x02, 0x01, 0x61]))
    #expect(
      RowHash.salt(nonce: nonce, column: 2) == sha256([0x06] + nonce.bytes + [0x02, 0x00]))
    #expect(RowHash.cell(.null, salt: nonce) == sha256([0x05] + nonce.bytes + [0x00]))
    let cells = columns.map { RowHash.cell($0) }
    let schema = sha256([7])
    #expect(
      RowHash.row(schema: schema, cells: cells)
        == sha256([0x03] + schema.bytes + cells.flatMap(\.bytes)))
    let (left, right) = (sha256([0x10, 1]), sha256([0x10, 2]))
    let top = sha256([0x11] + left.bytes + right.bytes)
    #expect(ReceiptTree.root(of: [left, right]) == sha256([0x12, 2, 0, 0, 0] + top.bytes))
    #expect(ReceiptTree.root(of: []) == sha256([0x12, 0, 0, 0, 0] + Digest.zero.bytes))
  }

  @Test func `of a row are what its shown cells come to`() {
    let schema = TableSchema(
      name: "t", id: 1,
      columns: columns.indices.map {
        .init(name: "c\($0)", type: .undeclared, nullable: true, personal: $0 == 3)
      }, key: [0])
    var hasher = RowHasher(schema: schema)
    for nonce in [nil, sha256([1])] as [Digest?] {
      for masked in [false, true] {
        let shown = hasher.row(columns, nonce: nonce, masked: masked)
        #expect(
          RowHash.row(schema: schema.digest, cells: shown.cells.map(\.digest))
            == hasher.hash(columns, nonce: nonce))
      }
    }
    #expect(hasher.hash(columns, nonce: nil) != hasher.hash(columns, nonce: sha256([1])))
    #expect(hasher.hashesPerRow == 6)
  }
}
