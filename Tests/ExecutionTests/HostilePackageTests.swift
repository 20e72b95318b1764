import Certification
import Pipelines
import Storage
import Testing
import Wire

@testable import Execution

/// A package that the checker of another version, or none, let through.
@Suite struct `A hostile package` {
  private func file(_ subnet: Subnet) throws -> PipelineFile {
    try #require(subnet.executor.pipelines["shop"])
  }

  /// Deploys what is refused, then what is sound: no replica has stopped.
  private func expectRefused(_ package: Package, _ code: String) throws {
    let subnet = try Subnet()
    #expect(try subnet.run(subnet.deploy(package)).refusalCode == code)
    #expect(try subnet.run(subnet.deploy(.shop())).status == .applied)
    #expect(try subnet.run(subnet.deploy(package)).refusalCode == code)
    try subnet.reopen()
  }

  @Test func `whose table would bear the name of an index is refused`() throws {
    var orders = Source.orders()
    orders.recheck = ["orders_i1"]
    var other = Source.orders()
    other.name = "orders_i1"
    try expectRefused(.shop(sources: [orders, other]), "PACKAGE_REFUSED")
  }

  @Test func `whose seed has a key of one column twice is refused`() throws {
    let stage = Model(
      name: "stage", layer: .gold, kind: .seed, primaryKey: ["id", "id"], sql: nil)
    let seed = Seed(model: "stage", file: "seeds/stage.csv", csv: Array("id,x\n1,2\n".utf8))
    try expectRefused(.shop(models: [stage], seeds: [seed]), "PACKAGE_REFUSED")
  }

  @Test func `that wants a table which SQLite does not make is refused, and nothing is left`()
    throws
  {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    try subnet.run(subnet.ingest("orders", "id,customer,amount,day\na,anna,1.00,\n"))
    let root = subnet.root()
    let connection = try file(subnet).engine.connection
    try connection.execute("CREATE TABLE quarantine_late(x)")
    var late = Source.orders()
    late.name = "late"
    let package = Package.shop(version: "2", sources: [.orders(), late])
    #expect(try subnet.run(subnet.deploy(package)).refusalCode == "TABLE_REFUSED")
    #expect(try file(subnet).data.tables.keys.sorted() == ["bronze_orders", "quarantine_orders"])
    #expect(subnet.root() == root)
    #expect(try subnet.rows("bronze_orders", columns: "id") == ["a"])
    try connection.execute("DROP TABLE quarantine_late")
    #expect(try subnet.run(subnet.deploy(package)).status == .applied)
  }

  @Test func `with as many indexes as a table may have is there after a start`() throws {
    let columns = (0...PackageLimits.indexesMax).map { "c\($0)" }
    let wide = Source(
      name: "wide", columns: columns.map { SourceColumn(name: $0, type: .int) },
      primaryKey: ["c0"])
    let model = Model(
      name: "copies", layer: .silver, kind: .full, primaryKey: ["c0"],
      sql: sql("select \(columns.joined(separator: ", ")) from {{ source('wide') }}"),
      tests: columns.dropFirst().map { .unique([$0]) })
    let subnet = try Subnet()
    #expect(
      try subnet.run(subnet.deploy(.shop(sources: [wide], models: [model]))).status == .applied)
    try subnet.reopen()
    #expect(try file(subnet).data.tables["copies"]?.indexes.count == PackageLimits.indexesMax)
  }

  @Test func `fits into the records of its tables, as large as it may be`() throws {
    #expect(PackageLimits.tableColumnsMax <= AnswerLimits.columnsMax)
    #expect(PackageLimits.keyColumnsMax < AnswerLimits.keyColumnsMax)
    let columns = (0..<PackageLimits.tableColumnsMax).map { number in
      let name = "c\(number)_" + String(repeating: "x", count: 48)
      return TableSchema.Column(
        name: String(name.prefix(48)), type: .text, nullable: true, personal: true)
    }
    let schema = TableSchema(
      name: "quarantine_" + String(repeating: "x", count: 48), id: 1, columns: columns,
      key: Array(0...PackageLimits.keyColumnsMax))
    let indexes = Array(repeating: columns.map(\.name), count: PackageLimits.indexesMax)
    var source = Source.orders()
    source.columns = (0..<PackageLimits.columnsMax).map {
      SourceColumn(name: "c\($0)", type: .text)
    }
    source.unknownFields = .capture
    #expect(SourcePlan.bronzeColumns(of: source).count <= PackageLimits.tableColumnsMax)
    #expect(SourcePlan.quarantineColumns(of: source).count <= PackageLimits.tableColumnsMax)
    let record = TableRecord(schema: schema, indexes: indexes)
    let read = try TableRecord(canonicalBytes: record.canonicalBytes)
    #expect(read.schema == schema)
    #expect(read.indexes == indexes)
  }

  @Test(arguments: ["part = \(Ledger.Part.table.rawValue)", "key = CAST('account' AS BLOB)"])
  func `whose records cannot be read back stops the replica with a word`(which: String) throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    let file = try file(subnet)
    try file.engine.connection.execute("UPDATE ledger_rows SET value = x'ff' WHERE \(which)")
    let fault = #expect(throws: ExecutionFault.self) { try file.loadValues() }
    #expect(fault?.description.contains("is not what was written") == true)
  }

  @Test func `with a long description is in a catalog that clients can read`() throws {
    var package = Package.shop()
    package.description = String(repeating: "ä", count: 1_000)
    package.sources[0].description = package.description
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(package))
    try subnet.certify()
    let catalog = try subnet.executor.reader.catalog()
    #expect(try Catalog(canonicalBytes: catalog.canonicalBytes) == catalog)
    #expect(catalog.pipelines.first?.about == String(repeating: "ä", count: 512))
  }
}

@Suite struct `A row of a long key` {
  @Test func `can be deleted wherever it could be inserted, and stays so`() throws {
    let source = Source(
      name: "orders",
      columns: [
        SourceColumn(name: "id", type: .text, required: true),
        SourceColumn(name: "seq", type: .int, required: true),
        SourceColumn(name: "op", type: .text, required: true),
      ], primaryKey: ["id"], version: "seq", operation: ChangeOperation(column: "op"))
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop(sources: [source])))
    try subnet.fund()
    func send(_ length: Int, _ version: Int, _ operation: String) throws -> Receipt {
      let id = String(repeating: "b", count: length)
      return try subnet.run(
        subnet.ingest("orders", "id,seq,op\n\(id),\(version),\(operation)\n"))
    }
    var longest = 980
    while try send(longest + 1, 4, "insert").tally.accepted == 1 {
      longest += 1
      #expect(try send(longest, 5, "delete").tally.accepted == 1)
      #expect(try send(longest, 4, "insert").tally.duplicates == 1, "it was deleted since")
    }
    #expect(longest > 1_000)
    #expect(try send(longest + 1, 4, "insert").refusalCode == "KEY_TOO_LONG")
    #expect(try send(longest, 6, "insert").tally.accepted == 1)
    #expect(try send(2_000, 3, "delete").tally.duplicates == 1, "no such row is there")
  }
}
