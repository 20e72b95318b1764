import Foundation
import Pipelines
import Signing
import Testing
import Wire

@testable import Certification
@testable import QuorateClient
@testable import quorate

private let schema = TableSchema(
  name: "ledger", id: 3,
  columns: [
    .init(name: "id", type: .int, nullable: false, personal: false),
    .init(name: "holder", type: .text, nullable: true, personal: true),
  ], key: [0])

private let certificate = StateCertificate(
  statement: StateStatement(
    subnet: .zero, epoch: 0, height: 1, block: .zero, stateRoot: .zero, receiptsRoot: .zero,
    time: 1), signers: Signers([], of: 4), signatures: [])

/// What a check let through, as far as words go.
private func proven(
  _ rows: [[CertifiedRows.Cell]], _ selection: RowsRequest.Selection, complete: Bool = true,
  limit: UInt32 = 1_000
) -> SavedAnswer {
  let nothing = TrieProof(nodes: [])
  return .rows(
    RowsRequest(
      subnet: .zero, pipeline: "shop", table: schema.name, selection: selection, limit: limit),
    CertifiedRows(
      pipeline: "shop", schema: schema, rows: rows.map { .init(cells: $0) }, complete: complete,
      pipelineRoot: .zero, rowsProof: nothing, schemaProof: nothing, componentProof: nothing,
      certificate: certificate))
}

private func query(_ bank: String) -> QueryRequest {
  QueryRequest(
    subnet: .zero, pipeline: "shop", question: .named("balances"),
    arguments: [.init(name: "bank", value: .text(bank))])
}

private func verified(
  _ table: ResultTable, _ saved: SavedAnswer, complete: Bool = true
) -> VerifiedAnswer {
  VerifiedAnswer(
    table: table, height: 1, time: 1, stateRoot: .zero, trust: .certified, witnesses: [0],
    complete: complete, saved: saved)
}

private func verified(_ saved: SavedAnswer) throws -> VerifiedAnswer {
  guard case .rows(_, let found) = saved else { throw Failure("no rows") }
  return verified(found.table, saved, complete: found.complete)
}

private func texts(_ names: [String], _ rows: [[String]]) -> VerifiedAnswer {
  let table = ResultTable(
    columns: names.map { .init(name: $0, type: .text) }, rows: rows.map { $0.map { .text($0) } })
  return verified(table, .answers(query("b"), []))
}

private func receipt(_ status: Receipt.Status, _ notes: [Note] = []) -> CertifiedReceipt {
  let receipt = Receipt(
    call: sha256([7]), height: 1, position: 0, time: 1, pipeline: "shop", status: status,
    replayOf: nil, tally: RowTally(), notes: notes, usage: Usage(), charged: 5)
  return CertifiedReceipt(
    proof: ReceiptProof(receipt: receipt, count: 1, path: []), certificate: certificate)
}

@Suite struct `An answer, as people read it` {
  private let masked = proven(
    [[.shown(.int(1)), .withheld(.zero)], [.shown(.int(2)), .shown(.null)]], .prefix([]))

  @Test func `tells what is withheld from what is null`() throws {
    let report = AnswerReport(try verified(masked))
    let lines = try report.text(.table).split(separator: "\n")
    #expect(lines.contains(" 1  (withheld)"), "\(lines)")
    #expect(lines.contains(" 2  ·"), "\(lines)")
    #expect(try report.text(.csv) == "id,holder\n1,\n2,")
    #expect(try !report.text(.json).contains("withheld"))
  }

  @Test func `says that it was cut, and how the rest is read`() throws {
    #expect(AnswerReport(try verified(masked)).remarks == [])
    let cells: [CertifiedRows.Cell] = [.shown(.int(-5)), .shown(.null)]
    for (limit, words) in [
      (1, "by --limit. For the rest: a larger --limit, "),
      (2, "since one answer has 8,388,608 bytes of rows. For the rest: from the last row on: "),
    ] {
      let cut = proven([cells], .prefix([]), complete: false, limit: UInt32(limit))
      let report = AnswerReport(try verified(cut))
      #expect(report.remarks.count == 1)
      #expect(report.remarks[0].hasPrefix("CUT after 1 row " + words), "\(report.remarks)")
      #expect(report.remarks[0].hasSuffix("--from=-5"))
      #expect(try report.text(.table).hasSuffix(report.remarks[0]))
    }
  }

  @Test func `is quoted in CSV by its bytes`() throws {
    let cells = ["a\nb", "a\rb", "a\r\nb", ",\u{301}", "\"\u{301}x", "plain é", "a\"b"]
    let quoted = [
      "\"a\nb\"", "\"a\rb\"", "\"a\r\nb\"", "\",\u{301}\"", "\"\"\"\u{301}x\"", "plain é",
      "\"a\"\"b\"",
    ]
    let text = try AnswerReport(texts(["t"], cells.map { [$0] })).text(.csv)
    #expect(Array(text.utf8) == Array((["t"] + quoted).joined(separator: "\n").utf8))
  }

  @Test func `is none where the key was read by types that are not the proven ones`() throws {
    let command = try QueryCommand.parse([
      "shop", "ledger", "--trust", "certified", "--key", "42",
    ])
    func selection(_ type: String) throws -> RowsRequest.Selection {
      try command.selection(of: "ledger", key: [CatalogField(name: "id", type: type)])
    }
    #expect(try selection("int") == .key([.int(42)]))
    #expect(throws: Never.self) { try command.check(try selection("int"), by: schema) }
    for (type, key) in [("decimal(18,2)", Value.int(4_200)), ("text", .text("42"))] {
      #expect(try selection(type) == .key([key]))
      #expect { try command.check(try selection(type), by: schema) } throws: {
        "\($0)".contains("Nothing is shown") && "\($0)".contains("id int")
      }
    }
  }
}

@Suite struct `A verification` {
  private let network: Network

  init() throws {
    let pair = KeyPair.generate()
    let identity = try TransportIdentity.make(name: "r0")
    network = try Network(
      genesis: Genesis(
        name: "demo", protocolVersion: 1, time: 5, members: [pair.publicKey],
        administrators: [pair.publicKey], accounts: []),
      members: [
        Network.Member(
          id: 0, key: pair.publicKey, host: "127.0.0.1", peerPort: 7_000, httpPort: 8_000,
          certificate: identity.certificatePEM, fingerprint: identity.fingerprint)
      ])
  }

  private func report(
    _ saved: SavedAnswer, table: ResultTable?, receipt: Receipt? = nil
  ) -> VerifyReport {
    VerifyReport(
      saved,
      CheckedAnswer(
        claim: "so it is", pipeline: "shop", height: 1, time: 1, table: table, receipt: receipt),
      network)
  }

  private func object(_ report: VerifyReport) throws -> [String: Any] {
    let json = Data(try Terminal.json(report).utf8)
    return try #require(JSONSerialization.jsonObject(with: json) as? [String: Any])
  }

  @Test func `tells the key whose absence is proven`() throws {
    let saved = proven([], .key([.int(42)]))
    let report = report(saved, table: try verified(saved).table)
    #expect(report.text.contains("\nAsked for: the row of ledger with id = 42\n"))
    #expect(report.text.hasSuffix("\nNo rows: their absence is what is proven."))
    let object = try object(report)
    #expect((object["rows"] as? [Any])?.isEmpty == true)
    let asked = try #require(object["asked"] as? [String: Any])
    #expect(asked["table"] as? String == "ledger")
    #expect(asked["key"] as? [String] == ["42"])
  }

  @Test(arguments: [
    (RowsRequest.Selection.prefix([]), "the rows of ledger"),
    (.prefix([.int(4)]), "the rows of ledger whose key begins id = 4"),
    (.range(from: [.int(4)], to: [.int(9)]), "the rows of ledger from id = 4 on below id = 9"),
  ])
  func `tells the range whose rows are proven`(
    selection: RowsRequest.Selection, words: String
  ) throws {
    let saved = proven([[.shown(.int(4)), .withheld(.zero)]], selection)
    let report = report(saved, table: try verified(saved).table)
    #expect(report.text.contains("\nAsked for: \(words)\n"), "\(report.text)")
    #expect(report.text.hasSuffix(" 4  (withheld)"), "\(report.text)")
  }

  @Test func `of what replicas say tells the question, and speaks of no absence`() throws {
    let request = query("b\", day = \"5\n")
    let empty = ResultTable(columns: [.init(name: "n", type: .int)], rows: [])
    let report = report(.answers(request, []), table: empty)
    #expect(
      report.text.contains(
        #"Asked for: the query balances, with bank = "b\", day = \"5\n""# + "\n"), "\(report.text)")
    #expect(!report.text.contains("absence"))
    let asked = try #require(try object(report)["asked"] as? [String: Any])
    let arguments = try #require(asked["arguments"] as? [[String: String]])
    #expect(asked["query"] as? String == "balances")
    #expect(arguments == [["name": "bank", "value": "b\", day = \"5\n"]])
  }

  @Test(arguments: [
    (Receipt.Status.applied, "applied"), (.refused(Refusal("LATE", "no\nVerified")), "refused"),
  ])
  func `of a receipt tells the whole call and its status`(
    status: Receipt.Status, word: String
  ) throws {
    let certified = receipt(status)
    let report = report(.receipt(certified), table: nil, receipt: certified.proof.receipt)
    #expect(report.text.contains("\nThe update \(sha256([7]).hex) was \(word)"), "\(report.text)")
    #expect(!report.text.contains("\nVerified"))
    let found = try #require(try object(report)["receipt"] as? [String: Any])
    #expect(found["request"] as? String == sha256([7]).hex)
    #expect(found["status"] as? String == word)
  }
}

@Suite struct `An answer of a liar` {
  private let columns = [
    "part", "name", "change", "breaking", "rows", "steps", "cycles", "detail",
  ]

  private func plan(_ width: Int, _ cycles: Int64 = 0) -> VerifiedAnswer {
    let row: [Value] = [
      .text("total"), .text("shop"), .text("deploy"), .int(0), .int(0), .int(cycles), .int(cycles),
      .text(""),
    ]
    return verified(
      ResultTable(
        columns: columns.prefix(width).map { .init(name: $0, type: .text) },
        rows: [Array(row.prefix(width))]), .answers(query("b"), []))
  }

  @Test func `is no plan with other columns, and counts nothing below zero`() throws {
    #expect { try PlanReport(plan(1)) } throws: { "\($0)".contains("other columns") }
    let words = try PlanReport(plan(8, -1)).text(Package(name: "shop", version: "1"))
    #expect(words.contains("costs 0 cycles (0), 0 steps"), "\(words)")
  }

  @Test func `has no two columns of one name`() throws {
    #expect(try Terminal.objects(["a", "b"], [["1", "2"]]) == [["a": "1", "b": "2"]])
    #expect { try Terminal.objects(["a", "a"], []) } throws: { "\($0)".contains("of one name") }
  }

  @Test func `names lines and rows beyond any batch in vain`() {
    let place = BatchPlace(headerLines: 1, firstLine: 2_002, firstRow: 2_001)
    let number = "\(Int.max)"
    #expect(place.told("line \(number): no") { _ in nil } == "line \(number): no")
    #expect(place.told("line 2, row \(number): no") { _ in nil } == "line 2002: no")
    #expect(place.told("row \(number): no") { _ in nil } == nil)
  }
}

@Suite struct `What others wrote` {
  private let forged = "a\n\u{1b}[1A\u{1b}[2K\u{9b}\u{202e}Verified"
  private let shown = #"a\n\u{1b}[1A\u{1b}[2K\u{9b}\u{202e}Verified"#

  @Test func `stays in its cell`() {
    let table = Terminal.table(["n", forged], [["1", forged], ["2", "b"]], width: nil)
    let lines = table.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count == 4)
    #expect(lines[2] == "1  \(shown)")
  }

  @Test func `begins no line among the program's own`() throws {
    let failure = ClientFailure(.rejected, forged, what: "no", why: forged, next: "")
    let lines = failure.description.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines == ["no: a", #"  \u{1b}[1A\u{1b}[2K\u{9b}\u{202e}Verified"#, "[\(shown)]"])
    #expect(failure.why == forged)
    let note = Note(name: "late", count: 1, firstRow: 1, message: forged)
    let text = try ReceiptReport(receipt(.applied, [note])).text(json: false)
    #expect(text.contains(": \(shown)\n"), "\(text)")
    #expect(!"\(Failure(forged))".contains("\u{1b}"))
  }

  @Test func `is exact in JSON`() throws {
    let json = try Terminal.json(["text": forged + "\\\u{7f}\t"])
    #expect(!json.unicodeScalars.contains { $0.isControl && $0 != "\n" })
    let read = try JSONDecoder().decode([String: String].self, from: Data(json.utf8))
    #expect(read == ["text": forged + "\\\u{7f}\t"])
  }
}
