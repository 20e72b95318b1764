import Certification
import Foundation
import Pipelines
import Signing
import Storage
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"

private let totals = Model(
  name: "totals", layer: .silver, kind: .incremental, primaryKey: ["customer"],
  refresh: Refresh(by: ["customer"]),
  sql: sql(
    """
    select customer, sum(amount) as total from {{ source('orders') }} group by customer
    """))

/// A deploy that is refused when its model runs.
private func refused(_ name: String, on subnet: Subnet) -> SignedCall {
  let model = Model(
    name: "totals", layer: .silver, kind: .full, primaryKey: ["total"],
    sql: sql("select 9223372036854775807 + 1 as total"))
  var package = Package.shop(models: [model])
  package.name = name
  return subnet.deploy(package)
}

/// Blocks that touch the system file and two pipelines, one of them at the second attempt.
private func played(pii: Sensitivity? = nil) throws -> (Subnet, [BlockOutcome]) {
  let subnet = try Subnet()
  var outcomes: [BlockOutcome] = []
  var twin = Package.shop(sources: [.orders(pii: pii)])
  twin.name = "twin"
  outcomes.append(try subnet.execute([refused("shop", on: subnet), refused("ghost", on: subnet)]))
  let shop = Package.shop(sources: [.orders(pii: pii)], models: [totals]).canonicalBytes
  let deploys = (0..<2).map { _ in
    subnet.call("shop", .deploy, body: shop, key: "first", steps: 50_000_000)
  }
  outcomes.append(try subnet.execute(deploys + [subnet.deploy(twin)]))
  outcomes.append(
    try subnet.execute([
      subnet.call("shop", .topUp(5_000_000_000_000)),
      subnet.call("twin", .topUp(5_000_000_000_000)),
    ]))
  for round in 0..<4 {
    outcomes.append(
      try subnet.execute([
        subnet.ingest("orders", header + "a\(round),anna,1.00,\n"),
        subnet.ingest("orders", header + "b\(round),ben,2.00,\n", pipeline: "twin"),
        subnet.call("shop", .topUp(1_000)), subnet.call("shop", .deploy),
        subnet.call("", .transfer(to: Subnet.stranger.publicKey, 7)),
      ]))
    outcomes.append(try subnet.execute([]))
  }
  return (subnet, outcomes)
}

@Suite struct `Files of a replica` {
  @Test func `are synced before a block that comes long after the last sync`() throws {
    func pagesInLog(gap: UInt64) throws -> Int {
      let (subnet, _) = try played()
      try subnet.execute([], after: gap)
      try subnet.run(subnet.ingest("orders", header + "later,anna,1.00,\n"))
      let file = try #require(subnet.executor.pipelines["shop"])
      return try file.engine.connection.checkpoint(.passive).pagesInLog
    }
    // A log that was synced begins anew.
    #expect(try pagesInLog(gap: 301_000) < pagesInLog(gap: 1_000))
  }

  @Test func `are not made of a first deploy that is refused`() throws {
    let subnet = try Subnet()
    let before = try subnet.executor.components(
      at: 0, systemRoot: subnet.executor.latest.systemRoot)
    let receipt = try subnet.run(refused("ghost", on: subnet))
    #expect(receipt.refusalCode != nil)
    #expect(receipt.charged > 0)
    let folder = subnet.path + "/pipelines"
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    #expect(subnet.executor.pipelines.isEmpty)
    let after = try subnet.executor.components(
      at: 1, systemRoot: subnet.executor.latest.systemRoot)
    #expect(after.map(\.name) == before.map(\.name))
    // An upgrade that is refused leaves the file as it is.
    try subnet.run(subnet.deploy(.shop()))
    #expect(try subnet.run(refused("shop", on: subnet)).refusalCode != nil)
    #expect(subnet.executor.pipelines["shop"]?.deployed?.package.models.isEmpty == true)
    #expect(subnet.executor.totals.isConserved)
  }

  @Test func `reopen at the same root, and go on`() throws {
    let (subnet, outcomes) = try played(pii: .direct)
    let root = subnet.root()
    // The last block was empty, so nothing was written for it.
    let bare = try Executor(directory: subnet.path, vfs: nil, genesis: subnet.genesis)
    #expect(bare.height == Height(UInt64(outcomes.count - 1)))
    try subnet.reopen()
    #expect(subnet.executor.height == Height(UInt64(outcomes.count)))
    #expect(subnet.root() == root)
    #expect(
      try subnet.executor.outcome(at: subnet.executor.height)?.stateRoot
        == outcomes.last?.stateRoot)
    let next = try subnet.execute([subnet.ingest("orders", header + "z,anna,1.00,\n")])
    #expect(next.stateRoot != outcomes.last?.stateRoot)
    #expect(subnet.executor.totals.isConserved)
  }

  /// After each block all files are copied aside; then each combination of an older and the
  /// newest copy of the three files is what a crash between commits, or a power cut, may leave.
  /// It is restarted before each block that follows.
  @Test(
    arguments: [
      ["system.sqlite"], ["pipelines/shop.sqlite"], ["pipelines/twin.sqlite"],
      ["system.sqlite", "pipelines/shop.sqlite"],
      ["pipelines/shop.sqlite", "pipelines/twin.sqlite"],
    ], [0, 3])
  func `that stopped at different heights replay to equal roots`(
    behind: [String], older: Int
  ) throws {
    let (subnet, outcomes) = try played()
    let old = subnet.path + "-old"
    defer { try? FileManager.default.removeItem(atPath: old) }
    let replay = try Executor(directory: old, vfs: nil, genesis: subnet.genesis)
    for block in subnet.blocks.prefix(older) {
      _ = try replay.execute(block, digest: block.header.digest)
    }
    let mixed = subnet.path + "-mixed"
    defer { try? FileManager.default.removeItem(atPath: mixed) }
    try FileManager.default.createDirectory(
      atPath: mixed + "/pipelines", withIntermediateDirectories: true)
    for file in ["system.sqlite", "pipelines/shop.sqlite", "pipelines/twin.sqlite"] {
      let source = (behind.contains(file) ? old : subnet.path) + "/" + file
      for suffix in ["", "-wal"] where FileManager.default.fileExists(atPath: source + suffix) {
        try FileManager.default.copyItem(
          atPath: source + suffix, toPath: "\(mixed)/\(file)\(suffix)")
      }
    }
    var healed = try Executor(directory: mixed, vfs: nil, genesis: subnet.genesis)
    // Before the second block there is no pipeline, so nothing to lose.
    let isFounded = older > 0 || behind.contains("system.sqlite")
    #expect(healed.height == Height(isFounded ? UInt64(older) : 1))
    for last in subnet.blocks.dropFirst(older) {
      healed = try Executor(directory: mixed, vfs: nil, genesis: subnet.genesis)
      while healed.height < last.header.height {
        let block = subnet.blocks[Int(healed.height.number)]
        let outcome = try healed.execute(block, digest: block.header.digest)
        #expect(outcome == outcomes[Int(outcome.height.number) - 1])
      }
    }
    #expect(healed.totals.isConserved)
    for name in ["shop", "twin"] {
      #expect(
        healed.pipelines[name]?.committedRoots == subnet.executor.pipelines[name]?.committedRoots)
    }
  }

  private static let damages: [(file: String, change: String)] = {
    func row(_ part: Ledger.Part, _ change: String) -> String {
      "UPDATE ledger_rows SET \(change) WHERE part=\(part.rawValue)"
    }
    return [
      ("system", row(.value, "value=CAST('not cycles' AS BLOB)")),
      // So many cycles for each that their sum has no room.
      ("system", row(.account, "value=x'ffffffffffffffff'")),
      ("system", row(.pipeline, "key=CAST('shap' AS BLOB)") + " AND key=CAST('shop' AS BLOB)"),
      ("system", "DELETE FROM ledger_rows WHERE part=\(Ledger.Part.receipt.rawValue)"),
      ("system", "DELETE FROM ledger_touched WHERE pipeline='twin'"),
      ("system", "UPDATE ledger_heights SET outcome=zeroblob(length(outcome))"),
      ("pipelines/shop", row(.value, "value=x'00'") + " AND key=CAST('account' AS BLOB)"),
      ("pipelines/shop", "UPDATE bronze_orders SET amount=amount+1 WHERE id='a0'"),
    ]
  }()

  /// Behind the executor's back, as a disk does it or somebody.
  @Test(arguments: damages.indices)
  func `are found damaged at the next start where a row is not what was committed`(
    index: Int
  ) throws {
    let (file, change) = Self.damages[index]
    let (subnet, _) = try played()
    try Connection(path: "\(subnet.path)/\(file).sqlite", access: .readWrite).execute(change)
    let fault = #expect(throws: ExecutionFault.self, "\(change)") {
      try Executor(directory: subnet.path, vfs: nil, genesis: subnet.genesis)
    }
    #expect(fault?.kind == .damaged, "\(change): \(fault.map { "\($0)" } ?? "nothing")")
    #expect(fault?.description.contains("executes its log anew") == true)
  }

  @Test func `that were damaged are made again from the log`() throws {
    let (subnet, outcomes) = try played()
    try Connection(path: "\(subnet.path)/system.sqlite", access: .readWrite)
      .execute("DELETE FROM ledger_rows WHERE part=\(Ledger.Part.receipt.rawValue)")
    #expect(throws: ExecutionFault.self) {
      try Executor(directory: subnet.path, vfs: nil, genesis: subnet.genesis)
    }
    let anew = subnet.path + "-anew"
    defer { try? FileManager.default.removeItem(atPath: anew) }
    let healed = try Executor(directory: anew, vfs: nil, genesis: subnet.genesis)
    for (block, outcome) in zip(subnet.blocks, outcomes) {
      #expect(try healed.execute(block, digest: block.header.digest) == outcome)
    }
  }

  @Test func `are made again from the block before their first deploy when they are lost`() throws {
    let subnet = try Subnet()
    for _ in 0..<3 {
      try subnet.run(subnet.call("", .transfer(to: Subnet.stranger.publicKey, 7)))
    }
    try subnet.execute([])
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\n"))
    let left = subnet.path + "-left"
    defer { try? FileManager.default.removeItem(atPath: left) }
    try FileManager.default.createDirectory(
      atPath: left + "/pipelines", withIntermediateDirectories: true)
    for file in ["system.sqlite", "system.sqlite-wal"] {
      try FileManager.default.copyItem(atPath: "\(subnet.path)/\(file)", toPath: "\(left)/\(file)")
    }
    let healed = try Executor(directory: left, vfs: nil, genesis: subnet.genesis)
    // The fourth block is empty, so no file knows of it.
    #expect(healed.height == 3)
    for block in subnet.blocks.dropFirst(3) {
      let outcome = try healed.execute(block, digest: block.header.digest)
      #expect(try outcome == subnet.executor.outcome(at: outcome.height))
    }
    #expect(
      healed.pipelines["shop"]?.committedRoots == subnet.executor.pipelines["shop"]?.committedRoots)
    #expect(healed.totals.isConserved)
  }

  @Test func `hold the same root on another page size`() throws {
    let (subnet, _) = try played()
    let before = subnet.executor.pipelines["shop"]?.committedRoots
    #expect(try subnet.executor.checkpoint() != nil)
    let copy = subnet.path + "-copy"
    defer { try? FileManager.default.removeItem(atPath: copy) }
    try FileManager.default.copyItem(atPath: subnet.path, toPath: copy)
    do {
      let connection = try Connection(path: copy + "/pipelines/shop.sqlite")
      try connection.pragma("journal_mode", "DELETE")
      try connection.pragma("page_size", "512")
      try connection.execute("VACUUM")
      #expect(try connection.integer("PRAGMA page_size") == 512)
    }
    let other = try Executor(directory: copy, vfs: nil, genesis: subnet.genesis)
    #expect(other.pipelines["shop"]?.committedRoots == before)
    // Steps do not depend on the layout either.
    let call = subnet.ingest("orders", header + "x,anna,1.00,\ny,ben,1.00,\n")
    let (block, digest) = subnet.block([call])
    _ = try subnet.executor.execute(block, digest: digest)
    while other.height.next < block.header.height {
      let (empty, digest) = (subnet.blocks[Int(other.height.number)], Digest.zero)
      _ = try other.execute(empty, digest: digest)
    }
    _ = try other.execute(block, digest: digest)
    #expect(
      try other.receipt(of: call.call.digest)?.receipt
        == subnet.executor.receipt(of: call.call.digest)?.receipt)
  }

  @Test func `hold the same rows whatever the order of arrival`() throws {
    let rows = (0..<20).map { "o\($0),c\($0 % 3),\($0).50,\n" }
    var roots: [Digest?] = []
    for order in [rows, rows.reversed()] {
      let subnet = try Subnet()
      let bare = Model(
        name: "bare", layer: .silver, kind: .full, primaryKey: ["id"],
        sql: sql("select id, customer, amount from {{ source('orders') }}"))
      try subnet.run(subnet.deploy(.shop(models: [bare, totals])))
      try subnet.fund()
      for row in order { try subnet.run(subnet.ingest("orders", header + row)) }
      let file = try #require(subnet.executor.pipelines["shop"])
      var trie = ChangeList()
      for name in ["bare", "totals"] {
        let table = try #require(file.data.tables[name])
        let scan = try file.engine.connection.prepare("SELECT * FROM \(name)")
        while try scan.step() {
          let leaf = table.leaf(table.row(of: scan))
          trie.put(leaf.key, leaf.hash)
        }
      }
      let fresh = StateTrie()
      fresh.apply(trie.sorted())
      roots.append(fresh.root)
    }
    #expect(roots[0] == roots[1])
  }

  @Test func `are durable when a checkpoint says so`() throws {
    let (subnet, _) = try played()
    #expect(try subnet.executor.checkpoint() == subnet.executor.height)
  }

  @Test func `hash rows as proofs do`() throws {
    let (subnet, _) = try played(pii: .direct)
    let file = try #require(subnet.executor.pipelines["shop"])
    let table = try #require(file.data.tables["bronze_orders"])
    let scan = try file.engine.connection.prepare("SELECT * FROM bronze_orders")
    var hasher = RowHasher(schema: table.schema)
    var count = 0
    while try scan.step() {
      let row = table.row(of: scan)
      let leaf = table.leaf(row)
      #expect(row.nonce != nil)
      #expect(leaf.hash == hasher.hash(row.values, nonce: row.nonce))
      #expect(try leaf.key == table.schema.key(of: row.values))
      count += 1
    }
    #expect(count == 4)
  }
}

@Suite struct `A full disk` {
  @Test func `is a fault and no receipt, and the block runs later`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    let root = subnet.root()
    let connection = try #require(subnet.executor.pipelines["shop"]).engine.connection
    let pages = try #require(try connection.integer("PRAGMA page_count"))
    try connection.pragma("max_page_count", "\(pages)")
    let body = header + (0..<2_000).map { "o\($0),somebody with a name,1.00,\n" }.joined()
    let call = subnet.ingest("orders", body)
    let (block, digest) = subnet.block([call])
    let fault = #expect(throws: ExecutionFault.self) {
      try subnet.executor.execute(block, digest: digest)
    }
    #expect(fault?.kind == .full)
    #expect(try subnet.executor.receipt(of: call.call.digest) == nil)
    #expect(subnet.root() == root)
    try connection.pragma("max_page_count", "1000000")
    _ = try subnet.executor.execute(block, digest: digest)
    #expect(try subnet.executor.receipt(of: call.call.digest)?.receipt.status == .applied)
    #expect(subnet.executor.totals.isConserved)
  }
}

@Suite struct `The second lock` {
  @Test(arguments: [
    "SELECT random()", "SELECT date('now')", "SELECT sqlite_version()", "SELECT changes()",
    "SELECT * FROM sqlite_schema", "SELECT * FROM pragma_table_info('bronze_orders')",
    "SELECT * FROM ledger_rows", "DELETE FROM bronze_orders", "CREATE TEMP TABLE x(a)",
    "PRAGMA user_version", "ATTACH ':memory:' AS x", "EXPLAIN SELECT 1", "BEGIN",
    "SELECT * FROM dbstat", "SELECT load_extension('x')", "SELECT sqrt(2)", "SELECT avg(1)",
    "SELECT \"nope\"", "SELECT group_concat(id) FROM bronze_orders", "VACUUM", "ANALYZE",
    "SELECT CURRENT_TIMESTAMP", "SELECT printf('%1000000s', 'x')",
  ])
  func `refuses what the parser should have refused`(text: String) throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    let engine = try #require(subnet.executor.pipelines["shop"]).engine
    _ = try engine.prepareUser("SELECT count(*) FROM bronze_orders")
    #expect(throws: StorageFault.self) { try engine.prepareUser(text) }
  }

  @Test(arguments: [
    "'12a'", "'1.5'", "' 7'", "'7 '", "'+7'", "''", "'-'", "'1e3'", "'9223372036854775808'",
    "x'37'",
    "1.5", "'١'",
  ])
  func `reads a whole number as nothing else`(value: String) throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    let engine = try #require(subnet.executor.pipelines["shop"]).engine
    let fault = #expect(throws: StorageFault.self) {
      try engine.connection.text("SELECT whole_number(\(value))")
    }
    #expect(fault?.kind == .statement)
    guard case .refused(let refusal)? = fault.map({ Stop(sql: $0, in: "x") }) else {
      return #expect(Bool(false), "no refusal")
    }
    #expect(refusal.code == "QD22")
  }

  @Test func `makes a denied function fail even where nothing asks the authorizer`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    let connection = try #require(subnet.executor.pipelines["shop"]).engine.connection
    #expect(throws: StorageFault.self) { try connection.text("SELECT random()") }
    #expect(throws: StorageFault.self) {
      try connection.execute("CREATE TABLE d(a, b DEFAULT (random())); INSERT INTO d(a) VALUES(1)")
    }
  }

  @Test(arguments: [
    ("mul_div(7, 3, 2)", "10"), ("mul_div(7, 1, 2, 'half_up')", "4"),
    ("mul_div(5, 1, 2)", "2"), ("mul_div(-7, 1, 2, 'floor')", "-4"),
    ("mul_div(9223372036854775807, 2, 2)", "9223372036854775807"),
    ("add_exact(1, 2)", "3"), ("year(0)", "1970"), ("month(31)", "2"),
    ("date_trunc('month', 45)", "31"), ("date_trunc('week', 0)", "-3"),
    ("add_months(30, 1)", "58"), ("iso_week(0)", "197001"), ("iso_week(-4)", "196952"),
    ("replace('a-b-c', '-', '')", "abc"), ("instr('naïve', 'v')", "4"),
    ("'Abc' LIKE 'a%C'", "1"), ("'abc' GLOB 'A*'", "0"), ("'b7' GLOB '[a-c][0-9]'", "1"),
    ("replace('aaab', 'aab', 'x')", "ax"), ("replace('ababab', 'abab', '-')", "-ab"),
    ("instr('ananas', 'anas')", "3"), ("instr('äöü', 'ü')", "3"), ("instr('a', 'aa')", "0"),
    ("'öx' GLOB '[ä]*'", "0"), ("'äx' GLOB '[ä]*'", "1"), ("'[a' GLOB '[a'", "0"),
    ("exact(7, 2, 3, '+-')", "6"), ("exact(7, 2, '/')", "3"), ("exact(-7, 3, '%')", "-1"),
    ("coalesce(exact(1, 0, '/'), 'none')", "none"),
    ("whole_number('-007')", "-7"), ("whole_number('9223372036854775807')", "9223372036854775807"),
    ("coalesce(whole_number(null), 'none')", "none"), ("whole_number(7)", "7"),
    ("date_of(86400000)", "1"), ("date_of(86399999)", "0"), ("date_of(-1)", "-1"),
    ("'50%' LIKE '50!%' ESCAPE '!'", "1"), ("'aaa' LIKE '%a_a%'", "1"),
    (
      "uuid5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'www.example.com')",
      "2ed6657d-e927-568b-95e1-2665a8aea6a2"
    ),
    ("fmt_decimal(-5, 2)", "-0.05"), ("fmt_date(20454)", "2026-01-01"),
  ])
  func `has functions that say`(expression: String, value: String) throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    let engine = try #require(subnet.executor.pipelines["shop"]).engine
    #expect(try engine.connection.text("SELECT CAST(\(expression) AS TEXT)") == value)
  }
}
