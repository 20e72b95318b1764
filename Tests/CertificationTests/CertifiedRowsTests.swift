import Certification
import Signing
import Testing
import Wire

@Suite struct `Certified rows` {
  private let fixture: Fixture
  init() throws { fixture = try Fixture() }

  private static let selections: [RowsRequest.Selection] = [
    .key([.text("bank 1"), .int(3)]), .key([.text("bank 1"), .int(77)]),
    .key([.text(""), .int(0)]),
    .prefix([.text("bank 2")]), .prefix([]), .prefix([.text("nobody")]),
    .range(from: [.text("bank 1"), .int(8)], to: [.text("bank 2"), .int(2)]),
    .range(from: nil, to: [.text("bank 0"), .int(1)]), .range(from: [.text("bank 3")], to: nil),
    .range(from: [.text("bank 9")], to: [.text("bank 1")]),
  ]
  private static let counts = [1, 0, 0, 10, 40, 0, 4, 1, 10, 0]

  @Test(arguments: zip(selections, counts))
  func `prove exactly what was asked`(selection: RowsRequest.Selection, count: Int) throws {
    let request = fixture.request(selection)
    let answer = try fixture.answer(request)
    let proven = try fixture.check.check(answer, to: request)
    #expect(proven.rows.count == count)
    #expect(proven.complete)
    #expect(proven.height == Fixture.height)
    #expect(try CertifiedRows(canonicalBytes: answer.canonicalBytes) == answer)
  }

  @Test func `go on from the last key when the limit cuts`() throws {
    var (selection, seen) = (RowsRequest.Selection.prefix([]), 0)
    while true {
      let request = fixture.request(selection, limit: 12)
      let proven = try fixture.check.check(try fixture.answer(request), to: request)
      seen += proven.rows.count
      if proven.complete { break }
      var last = try #require(proven.lastKey)
      guard case .int(let day) = last[1] else { break }
      last[1] = .int(day + 1)
      selection = .range(from: last, to: nil)
    }
    #expect(seen == 40)
  }

  @Test func `withhold personal columns and still prove the rest`() throws {
    let request = fixture.request(.prefix([.text("bank 1")]))
    let masked = try fixture.answer(request, masked: true)
    let open = try fixture.answer(request)
    let proven = try fixture.check.check(masked, to: request)
    #expect(proven.table.rows.allSatisfy { $0[2] == .null && $0[0] == .text("bank 1") })
    #expect(try fixture.check.check(open, to: request).table.rows[0][2] == .text("holder 10"))
    // The hash that stands for it is not that of the value alone: nobody can guess it.
    guard case .withheld(let digest) = masked.rows[0].cells[2] else {
      Issue.record("the column is withheld")
      return
    }
    #expect(digest != RowHash.cell(.text("holder 10")))
    #expect(digest == open.rows[0].cells[2].digest)
  }

  @Test func `withhold no column that is not personal`() throws {
    let request = fixture.request(.prefix([.text("bank 1")]))
    for masked in [false, true] {
      let honest = try fixture.answer(request, masked: masked)
      #expect(fixture.fault(honest, request) == nil)
      // The hash of what is there leads to the same root as its value.
      for (row, column) in [(0, 0), (2, 1), (9, 3)] {
        var rows = honest.rows
        var cells = rows[row].cells
        cells[column] = .withheld(cells[column].digest)
        rows[row] = .init(cells: cells)
        let fault = fixture.fault(honest.with(rows: rows), request)
        #expect(fault?.check == .proof)
        #expect(fault?.reason.contains("is withheld") == true, "\(fault?.reason ?? "taken")")
      }
    }
  }

  @Test func `are cut where their bytes pass the bound, and nowhere before`() throws {
    let fixture = try Fixture(padding: 300_000)
    let request = fixture.request(.prefix([]))
    func cut(_ rows: UInt32, masked: Bool = false) throws -> CertifiedRows {
      try fixture.answer(fixture.request(.prefix([]), limit: rows), masked: masked)
    }
    // 27 rows have 8.1 million bytes, 28 have 8.4 million, and few where holders are withheld.
    #expect(fixture.fault(try cut(27), request)?.check == .request)
    #expect(fixture.fault(try cut(28), request) == nil)
    #expect(fixture.fault(try cut(28, masked: true), request)?.check == .request)
    // Nor is it more than was asked for.
    #expect(fixture.fault(try cut(28), fixture.request(.prefix([]), limit: 20)) != nil)
  }

  @Test func `are cut by the limit, if they are short`() throws {
    let request = fixture.request(.prefix([]), limit: 12)
    #expect(fixture.fault(try fixture.answer(request), request) == nil)
    let short = try fixture.answer(fixture.request(.prefix([]), limit: 5))
    #expect(!short.complete && short.rows.count == 5)
    #expect(fixture.fault(short, request)?.check == .request)
    // A saved request may say anything, that no row at all was asked for too.
    let none = fixture.request(.prefix([]), limit: 0)
    #expect(fixture.fault(short.with(rows: []), none)?.check == .request)
  }

  @Test func `are refused with any value altered`() throws {
    let request = fixture.request(.prefix([.text("bank 1")]))
    let honest = try fixture.answer(request)
    #expect(fixture.fault(honest, request) == nil)
    for (row, column) in [(0, 0), (3, 1), (5, 2), (9, 3)] {
      for cell in [CertifiedRows.Cell.shown(.text("bank 1x")), .shown(.int(12_345)), .shown(.null)]
      {
        var rows = honest.rows
        var cells = rows[row].cells
        cells[column] = cell
        rows[row] = .init(cells: cells)
        #expect(fixture.fault(honest.with(rows: rows), request)?.check == .proof)
      }
    }
  }

  @Test func `are refused when a row is left out, added or moved`() throws {
    let request = fixture.request(.prefix([.text("bank 1")]))
    let honest = try fixture.answer(request)
    #expect(fixture.fault(honest, request) == nil)
    #expect(fixture.fault(honest.with(rows: Array(honest.rows.dropLast())), request) != nil)
    #expect(fixture.fault(honest.with(rows: honest.rows + [honest.rows[0]]), request) != nil)
    #expect(fixture.fault(honest.with(rows: honest.rows.reversed()), request) != nil)
    #expect(fixture.fault(honest.with(rows: []), request) != nil)
    var cells = honest.rows[0].cells
    cells.removeLast()
    let short = [CertifiedRows.Row(cells: cells)] + honest.rows.dropFirst()
    #expect(fixture.fault(honest.with(rows: short), request)?.check == .proof)
    // The first of the rows, called all of them.
    let cut = fixture.request(.prefix([.text("bank 1")]), limit: 4)
    let some = try fixture.answer(cut)
    #expect(fixture.fault(some, cut) == nil)
    #expect(fixture.fault(some.with(complete: true), cut)?.check == .proof)
    #expect(fixture.fault(honest, cut)?.check == .request)
  }

  @Test func `are refused with another's proof, schema, root or certificate`() throws {
    let request = fixture.request(.key([.text("bank 1"), .int(3)]))
    let honest = try fixture.answer(request)
    #expect(fixture.fault(honest, request) == nil)
    let other = try fixture.answer(fixture.request(.key([.text("bank 1"), .int(4)])))
    let cases: [CertifiedRows] = [
      honest.with(rowsProof: other.rowsProof), honest.with(schemaProof: other.rowsProof),
      honest.with(componentProof: fixture.components.proof(of: "berka")),
      honest.with(pipelineRoot: sha256([2])), honest.with(rows: other.rows),
    ]
    for tampered in cases { #expect(fixture.fault(tampered, request)?.check == .proof) }
    var columns = fixture.schema.columns
    columns[3] = .init(
      name: "amount", type: .decimal(scale: 0), nullable: true, personal: false)
    let inflated = TableSchema(
      name: fixture.schema.name, id: 3, columns: columns, key: fixture.schema.key)
    #expect(fixture.fault(honest.with(schema: inflated), request)?.check == .proof)
  }

  @Test func `cannot be absent by another table's number`() throws {
    // The row is there; a table of another number, under the same name, holds none.
    let request = fixture.request(.key([.text("bank 1"), .int(3)]))
    let elsewhere = TableSchema(
      name: fixture.schema.name, id: 9, columns: fixture.schema.columns, key: fixture.schema.key)
    let range = try elsewhere.range(of: request.selection)
    let proven = try #require(fixture.trie.prove(key: range.lower, at: Fixture.height))
    #expect(proven.keys.isEmpty)
    let lie = try fixture.answer(request).with(
      schema: elsewhere, rows: [], rowsProof: proven.proof)
    #expect(fixture.fault(lie, request)?.check == .proof)
  }

  @Test func `are refused for another request, or too old`() throws {
    let request = fixture.request(.key([.text("bank 1"), .int(3)]))
    let honest = try fixture.answer(request)
    #expect(fixture.fault(honest, request) == nil)
    #expect(
      fixture.fault(honest, fixture.request(.key([.text("bank 1"), .int(4)]))) != nil)
    #expect(fixture.fault(honest, fixture.request(.key([.text("bank 1")])))?.check == .request)
    let elsewhere = RowsRequest(
      subnet: fixture.committee.subnet, pipeline: "berka", table: fixture.schema.name,
      selection: request.selection)
    #expect(fixture.fault(honest, elsewhere)?.check == .request)
    let now = Moment(Fixture.time.number + 5_000)
    _ = try fixture.check.check(honest, to: request, Freshness(now: now, ageMax: .seconds(5)))
    #expect(throws: CheckFault.self) {
      try fixture.check.check(honest, to: request, Freshness(now: now, ageMax: .seconds(4)))
    }
    #expect(throws: CheckFault(.stale, "height 12, asked for 13 or above")) {
      try fixture.check.check(
        honest, to: request, Freshness(now: now, ageMax: nil, heightMin: 13))
    }
  }

  @Test(arguments: [4, 13])
  func `need a quorum's certificate`(size: Int) throws {
    let fixture = try Fixture(size: size)
    let request = fixture.request(.prefix([]))
    let honest = try fixture.answer(request)
    #expect(fixture.fault(honest, request) == nil)
    let quorum = fixture.committee.quorum
    let less = Fixture.certified(
      fixture.certificate.statement, fixture.signers, count: quorum - 1)
    #expect(
      fixture.fault(honest.with(certificate: less), request)
        == CheckFault(.certificate, "\(quorum - 1) of \(quorum) signatures"))
    let strangers = try Fixture(size: size, rows: 3)
    #expect(
      strangers.fault(honest.with(certificate: strangers.certificate), request)?.check == .proof)
  }
}
