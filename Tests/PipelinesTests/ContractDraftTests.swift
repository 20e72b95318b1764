import Testing
import Wire

@testable import Pipelines

@Suite struct `The draft of a contract` {
  private func draft(_ text: String) throws -> ContractDraft {
    try ContractDraft(csv: Array(text.utf8), name: "feed")
  }

  @Test(arguments: [
    ("1\n-20\n0\n", "int", true),
    ("1.5\n20\n0.25\n", "\"decimal(18,2)\"", true),
    ("2026-01-31\n1999-12-01\n", "date", true),
    ("2026-01-31T10:00:00Z\n2026-01-31T10:00:00.250Z\n", "timestamp", true),
    ("true\nfalse\n", "bool", true),
    ("6ba7b810-9dad-11d1-80b4-00c04fd430c8\n", "uuid", true),
    ("007\n012\n", "text", true),
    ("1\nx\n", "text", true),
    ("1\n\n3\n", "int", false),
    ("1\nNA\n3\n", "int", false),
    ("NA\nx\n", "text", true),
    ("99999999999999999999\n1\n", "text", true),
    ("1e5\n2\n", "text", true),
  ])
  func `finds the narrowest type that reads every value`(
    values: String, type: String, required: Bool
  ) throws {
    let rows = values.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    let text = "id,x\n" + rows.enumerated().map { "k\($0.offset),\($0.element)\n" }.joined()
    let draft = try draft(text)
    #expect(draft.rejected == 0)
    #expect(draft.yaml.contains("name: x, type: \(type)"), "\(draft.yaml)")
    #expect(draft.source.column("x")?.required == required)
  }

  @Test(arguments: [
    (",", "a,b\n1,2\n"), (";", "a;b\n1,5;2\n"), ("\t", "a\tb\n1\t2\n"), ("|", "a|b\n1|2\n"),
    (";", "\"a;x\";b\n\"1,1\";2\n"), (",", "a,b\n\n1,2\n\r\n"),
  ])
  func `finds the delimiter`(delimiter: String, text: String) throws {
    #expect(try draft(text).source.csv.delimiter == delimiter.utf8.first)
    #expect(try draft(text).source.columns.count == 2)
  }

  @Test func `reads dates of six digits where the name says so`() throws {
    let draft = try draft("trans_id;date;k\n1;930101;930101\n2;991231;931399\n")
    #expect(draft.source.column("date")?.parse == .yymmdd)
    #expect(draft.source.column("k")?.type == .int)
    #expect(draft.rejected == 0)
  }

  @Test(arguments: [
    ("name,order_id\na,1\nb,2\n", ["order_id"], true),
    ("name,x\na,1\nb,1\n", ["name"], true),
    ("a,b\n1,1\n1,2\n2,1\n", ["a", "b"], true),
    ("a,b\n1,1\n1,1\n", ["a"], false),
    ("id,b\n,1\n2,2\n", ["b"], true),
    ("amount,name\n1.50,a\n2.50,b\n", ["name"], true),
    ("amount,kind\n1.50,a\n2.50,a\n", ["kind"], false),
    ("amount,rate\n1.50,0.5\n2.50,0.5\n", ["amount"], false),
    ("total_price,kind\n1,a\n2,a\n", ["kind"], false),
    ("day,name,number\n2026-01-01,a,7\n2026-01-02,b,8\n", ["number"], true),
    ("day,name\n2026-01-01,a\n2026-01-02,b\n", ["name"], true),
    ("bank_code,tx_id\nx,1\ny,2\n", ["tx_id"], true),
    (
      "amount,day,shop\n1.5,2026-01-01,s\n2.5,2026-01-01,t\n3.5,2026-01-02,s\n", ["day", "shop"],
      true
    ),
  ])
  func `finds what tells rows apart`(text: String, key: [String], proven: Bool) throws {
    let draft = try draft(text)
    #expect(draft.source.primaryKey == key)
    #expect(draft.keyIsProven == proven)
  }

  @Test func `makes names of whatever the header says, and counts columns without one`() throws {
    let named = try draft("Order ID,Größe,Order-ID,_x\n1,x,y,z\n")
    #expect(named.source.columns.map(\.name) == ["order_id", "gr_e", "order_id_3", "x"])
    #expect(named.source.columns.map(\.field) == ["Order ID", "Größe", "Order-ID", "_x"])
    let bare = try draft("1,a\n2,b\n")
    #expect(!bare.source.csv.header)
    #expect(bare.source.columns.map(\.name) == ["column_1", "column_2"])
    #expect(bare.rows == 2)
  }

  @Test func `is a contract that a package takes, and that takes the file`() throws {
    let text =
      "Id;Kind;Amount;Booked date\n"
      + (1...60).map { "\($0);\($0 % 2 == 0 ? "IN" : "OUT");\($0),00;260101\n" }.joined()
      + "61;\"a \"\"quoted\"\"; one\";-;\n"
    let draft = try draft(text)
    let package = try PackageReader.read(
      PackageFiles([
        .init(
          path: "pipeline.yaml", bytes: Array("quorate: 1\nname: p\nversion: 1.0.0\n".utf8)),
        .init(path: "sources/feed.yaml", bytes: Array(draft.yaml.utf8)),
      ]))
    let source = try #require(package.source("feed"))
    #expect(source.columns == draft.source.columns)
    #expect(source.csv == draft.source.csv)
    #expect(source.primaryKey == ["id"])
    let rows = try RowDecoder(source: source, defaults: package.defaults)
      .decode(Array(text.utf8), format: .csv)
    #expect(rows.rowCount == 61)
    #expect(rows.rejected.isEmpty)
  }

  @Test(arguments: ["", "a,b\n1\n", "a\n\"x\n", "a\n\u{0}\n"])
  func `refuses what is no table`(text: String) {
    #expect(throws: Refusal.self) { try draft(text) }
  }
}
