import Foundation
import Pipelines
import Testing
import Wire

/// A package of two sources and four models that is sound; tests break one part of it.
enum Chain {
  static let sources = """
    - source: orders
      columns:
        - { name: id, type: text, required: true }
        - { name: shop, type: text, required: true }
        - { name: total, type: "decimal(18,2)", required: true }
        - { name: buyer, type: text, pii: direct }
      primary_key: [id]
      expectations:
        - { name: positive, check: "total > 0", on_violation: quarantine }
        - { name: known_shop, check: "exists_in(shops, shop)", on_violation: warn }
    - source: shops
      columns:
        - { name: shop, type: text, required: true }
        - { name: city, type: text, required: true }
      primary_key: [shop]

    """
  static let silver = """
    models:
      - name: slv_orders
        kind: incremental
        primary_key: [id]
        refresh: { by: [id] }
        sql: "select id, shop, total, buyer from {{ source('orders') }}"
      - { name: slv_shops, kind: view, sql: "select shop, city from {{ source('shops') }}" }

    """
  static let gold = """
    models:
      - name: shop_totals
        kind: incremental
        primary_key: [shop]
        refresh: { by: [shop] }
        columns: [ { name: shop, type: text }, { name: total, type: "decimal(18,2)" } ]
        sql: "select shop, sum(total) as total from {{ ref('slv_orders') }} group by shop"
        tests: [ { references: { column: shop, model: slv_shops } } ]
      - name: city_totals
        kind: full
        primary_key: [city]
        columns: [ { name: city, type: text }, { name: total, type: "decimal(18,2)" } ]
        sql: >
          select s.city, sum(t.total) as total from {{ ref('shop_totals') }} t
          join {{ ref('slv_shops') }} s using (shop) group by s.city

    """
  static let calls = """
    procedures:
      - name: add_shop
        args: { shop: text, city: text }
        emit: shops
        sql: "select :shop as shop, :city as city"

    """
  static let queries = """
    queries:
      - name: total_of
        args: { shop: text }
        returns: { total: "decimal(18,2)" }
        sql: "select total from {{ ref('shop_totals') }} where shop = :shop"

    """

  static func files(_ part: String = "", by: String = "") -> PackageFiles {
    Sample.files(
      [
        ("pipeline.yaml", Sample.manifest), ("sources/s.yaml", sources),
        ("models/silver/_silver.yaml", silver), ("models/gold/_gold.yaml", gold),
        ("procedures/p.yaml", calls), ("queries/q.yaml", queries),
      ].map { ($0.0, part.isEmpty ? $0.1 : $0.1.replacing(part, with: by)) })
  }

  static func faults(_ part: String, by: String) -> [PackageFault] {
    do {
      _ = try PackageReader.read(files(part, by: by))
      return []
    } catch {
      return error.list
    }
  }
}

@Suite struct `A checked package` {
  @Test(arguments: [
    "bank-reconciliation", "berka", "delivery-tracking", "feature-store", "master-data",
  ])
  func `of the examples is sound, from its folder and from canonical bytes`(name: String) throws {
    let package = try PackageReader.read(directory: Folders.pipeline(name))
    let checked = try CheckedPackage(try Package(canonicalBytes: package.canonicalBytes))
    #expect(checked.models.count == package.models.count)
    #expect(checked.checkSteps > 0)
    #expect(checked.checkSteps * 20 < PackageLimits.checkStepsMax)
    for (place, model) in checked.models.enumerated() {
      for case .model(let upstream) in model.upstreams {
        #expect(checked.models[..<place].contains { $0.name == upstream })
      }
    }
  }

  @Test func `has a bound for the check of all its SQL together`() {
    func source(_ letter: String) -> String {
      let columns = (0..<120).map { "{ name: \(letter)\($0), type: int, required: true }" }
      return "- source: \(letter)s\n  columns: [\(columns.joined(separator: ", "))]\n"
        + "  primary_key: [\(letter)0]\n"
    }
    let wide = "exists (select * from {{ source('as') }} a cross join {{ source('bs') }} b)"
    let text =
      "select a0 from {{ source('as') }} where "
      + Array(repeating: wide, count: 8).joined(separator: " and ")
    func faults(models: Int) -> [PackageFault] {
      let list = (0..<models).map { "  - { name: m\($0), kind: view, sql: \"\(text)\" }\n" }
      do {
        _ = try PackageReader.read(
          Sample.files([
            ("pipeline.yaml", Sample.manifest), ("sources/s.yaml", source("a") + source("b")),
            ("models/silver/_silver.yaml", "models:\n" + list.joined()),
          ]))
        return []
      } catch {
        return error.list
      }
    }
    #expect(faults(models: 2).isEmpty)
    let found = faults(models: 80)
    #expect(found.map(\.rule) == ["SQL03"])
    #expect(found.first?.message.contains("\(PackageLimits.checkStepsMax) steps") == true)
    #expect(found.first?.fix?.hasPrefix("split the package") == true)
  }

  @Test func `bounds what the public burns wherever it lets the public in`() {
    let faults = Chain.faults("    emit: shops", by: "    allow: [public]\n    emit: shops")
    #expect(faults.map(\.file) == ["procedures/p.yaml"])
    #expect(faults.first?.message.contains("a public_budget bounds") == true)
    #expect(faults.first?.fix == "budget: { public_budget: 10G } in pipeline.yaml")
    #expect(
      Chain.faults("version: 1.0.0", by: "version: 1.0.0\nbudget: { public_budget: 10G }").isEmpty)
  }

  @Test func `has models after their upstreams, with types, keys and marks of lineage`() throws {
    let checked = try CheckedPackage(try PackageReader.read(Chain.files()))
    #expect(
      checked.models.map(\.name) == ["slv_orders", "shop_totals", "slv_shops", "city_totals"])
    let orders = try #require(checked.model("slv_orders"))
    #expect(orders.upstreams == [.source("orders")])
    #expect(
      orders.columns == [
        ModelColumn(name: "id", type: .text), ModelColumn(name: "shop", type: .text),
        ModelColumn(name: "total", type: .decimal(precision: 18, scale: 2)),
        ModelColumn(name: "buyer", type: .text, nullable: true, pii: .direct),
      ])
    #expect(
      checked.model("shop_totals")?.tests
        == [.references(column: "shop", model: "slv_shops", target: "shop")])
    #expect(checked.source("orders")?.expectations.count == 2)
    #expect(
      checked.query("total_of")?.columns.map(\.type) == [.decimal(precision: 18, scale: 2)])
    #expect(checked.procedure("add_shop")?.query.columns.map(\.name) == ["shop", "city"])
  }

  @Test func `reads a seed, and infers its columns where none are declared`() throws {
    let seed = [
      ("pipeline.yaml", Sample.manifest), ("sources/s.yaml", Sample.source),
      ("models/gold/g.yaml", "models: [ { name: stage, kind: seed } ]\n"),
      ("seeds/stage.csv", "stage,ordinal,note\npending,1,\n\"done\",2,x\n"),
    ]
    let checked = try CheckedPackage(try PackageReader.read(Sample.files(seed)))
    let stage = try #require(checked.model("stage"))
    #expect(stage.primaryKey == ["stage"])
    #expect(stage.columns.map(\.type) == [.text, .int, .text])
    #expect(stage.columns.map(\.nullable) == [false, false, true])
    #expect(stage.seed?.row(0) == [.text("pending"), .integer(1), .null])
    let twice = seed.map { ($0.0, $0.1.replacing("\"done\"", with: "pending")) }
    let faults = #expect(throws: PackageFaults.self) {
      try PackageReader.read(Sample.files(twice))
    }
    #expect(
      faults?.list.map(\.description)
        == ["seeds/stage.csv: error: row 2: its stage stands twice"])
  }

  @Test(arguments: [
    ("{{ ref('slv_orders') }} group", "{{ source('orders') }} group", "SQL07"),
    ("{{ source('shops') }}", "{{ ref('shop_totals') }}", ""),
    ("{{ ref('slv_orders') }}", "{{ ref('slv_order') }}", "SQL05"),
    ("select id, shop, total, buyer", "select id, shop, total, buyr", "SQL05"),
    ("select id, shop, total, buyer", "select id, shop, random() as total, buyer", "QD01"),
    ("total > 0", "total > cost", "SQL05"),
    ("exists_in(shops, shop)", "exists_in(shop, shop)", "SQL05"),
    ("where shop = :shop", "where shop = :shp", "QD43"),
  ])
  func `carries the refusals of SQL with their rule and place`(
    part: String, by: String, rule: String
  ) {
    #expect(Chain.faults("nowhere", by: "") == [])
    let faults = Chain.faults(part, by: by)
    #expect(!faults.isEmpty)
    if !rule.isEmpty { #expect(faults.contains { $0.rule == rule }, "\(faults)") }
    for fault in faults where !fault.rule.isEmpty {
      #expect(fault.line > 0 && fault.excerpt != nil && fault.file.hasSuffix(".yaml"))
    }
  }

  @Test(arguments: [
    (
      "{{ ref('slv_shops') }} s", "{{ ref('city_totals') }} s",
      "models read one another in a circle: city_totals → city_totals"
    ),
    ("primary_key: [shop]\n    refresh", "refresh", "primary_key: a stored model needs one"),
    (
      "    refresh: { by: [id] }\n", "",
      "refresh: an incremental model names the columns whose values it is computed for"
    ),
    ("refresh: { by: [id] }", "refresh: { by: [no] }", "by: there is no column no"),
    (
      "refresh: { by: [shop] }", "refresh: { by: [total] }",
      "by: the SELECT computes total, so what it reads cannot be restricted by it"
    ),
    (
      "sum(total) as total from {{ ref('slv_orders') }}",
      "sum(total) as total, count(*) as n from {{ ref('slv_orders') }}",
      "columns: declares shop, total, but the SELECT gives shop, total, n"
    ),
    (
      "{ name: total, type: \"decimal(18,2)\" } ]\n    sql: \"select shop",
      "{ name: total, type: text } ]\n    sql: \"select shop",
      "total: is declared as text, but the SELECT gives decimal"
    ),
    (
      "references: { column: shop, model: slv_shops }",
      "references: { column: shop, model: slv_shop }",
      "references: there is no model slv_shop; did you mean slv_shops?"
    ),
    ("emit: shops", "emit: shop", "emit: there is no source shop; did you mean shops?"),
    (":city as city", ":city as town", "emit shops: there is no column town"),
    (
      "primary_key: [id]\n  expect", "primary_key: [nr]\n  expect",
      "primary_key: there is no column nr"
    ),
    (
      "primary_key: [id]\n  expect", "primary_key: [id]\n  version: total\n  expect",
      "version: is for on_duplicate: upsert_if_newer"
    ),
    (
      "primary_key: [id]\n  expect",
      "primary_key: [id]\n  append_only: true\n  on_duplicate: ignore\n  expect",
      "append_only: true and on_duplicate: ignore contradict one another"
    ),
    ("type: text, pii: direct", "type: int, matches: \"[0-9]\"", "matches: is for text"),
    (
      "type: text, pii: direct", "type: text, parse: yymmdd",
      "parse: is for dates and timestamps; buyer is text"
    ),
    (
      "type: text, pii: direct", "type: timestamp, parse: base64",
      "parse: base64 is for bytes; buyer is timestamp"
    ),
    (
      "type: text, pii: direct", "type: text, matches: \"\(String(repeating: "a", count: 51))\"",
      "matches: the pattern has 51 bytes; at most 50 are allowed"
    ),
    (
      "type: text, pii: direct", "type: date, default: 1.1.26",
      "buyer: \"1.1.26\" is no date such as 2026-01-31"
    ),
    (
      "type: text, pii: direct", "type: int, accepted_values: [one]",
      "buyer: \"one\" is no integer"
    ),
    ("name: slv_shops", "name: bronze_shops", "names that begin so belong to the tables"),
    ("name: slv_shops", "name: slv_i1", "is a name that the engine keeps for its own tables"),
    ("source: shops", "source: shops_i1", "is a name that the engine keeps for its own tables"),
  ])
  func `names the mistake between its parts`(part: String, by: String, message: String) {
    let faults = Chain.faults(part, by: by)
    #expect(faults.contains { $0.message.contains(message) }, "\(faults.map(\.description))")
    #expect(faults.allSatisfy { $0.line > 0 })
  }

  @Test(arguments: [
    ("sum(total) as total from", "sum(totl) as total from", "there is no column `totl`", "total"),
    (
      "{{ ref('slv_orders') }} group", "{{ ref('slv_order') }} group",
      "there is no model `slv_order`", "{{ ref('slv_orders') }}"
    ),
    (
      "{{ source('orders') }}\"", "{{ source('order') }}\"", "there is no source `order`",
      "{{ source('orders') }}"
    ),
    (
      "{{ ref('slv_orders') }} group", "slv_orders group",
      "the table `slv_orders` is named without braces", "{{ ref('slv_orders') }}"
    ),
    (
      "{{ ref('shop_totals') }} t", "shop_totals t",
      "the table `shop_totals` is named without braces", "{{ ref('shop_totals') }}"
    ),
    (
      "{{ source('orders') }}\"", "bronze_orders\"",
      "the table `bronze_orders` is named without braces", "{{ source('orders') }}"
    ),
  ])
  func `tells of a misspelt name alone, and of the one that was meant`(
    part: String, by: String, message: String, fix: String
  ) {
    let faults = Chain.faults(part, by: by)
    #expect(faults.first?.message == message, "\(faults.map(\.description))")
    #expect(faults.first?.fix == fix)
    #expect(faults.allSatisfy { $0.rule == "SQL05" })
  }

  @Test(arguments: [
    (
      "sum(total) as total from", "sum(now() - total) as total from",
      "a timestamp that the rows carry; or consensus_time_ms() with kind: view"
    ),
    (
      "sum(total) as total from", "sum(total * total) as total from",
      "mul_div(…, 1, 100) as total"
    ),
    ("\"select shop, city from", "\"select shop, now() as city from", "consensus_time_ms()"),
    ("where shop = :shop", "where total > :least", "args: { least: \"decimal(18,2)\" }"),
    ("version: 1.0.0", "version: one", "version: 1.0.0"),
    ("type: text, pii: direct", "type: datetime", "type: timestamp"),
    ("type: text, pii: direct", "type: varchar", "type: text"),
    (
      "on_violation: quarantine", "on_violation: skip",
      "on_violation: warn | drop | quarantine | fail"
    ),
    ("primary_key: [id]\n  expect", "expect", "primary_key: [ … ]"),
  ])
  func `gives a fix`(part: String, by: String, fix: String) {
    let faults = Chain.faults(part, by: by)
    #expect(faults.contains { $0.fix == fix }, "\(faults.map(\.description))")
  }

  @Test func `tells of a misspelt key once, not of a missing one too`() {
    let faults = Chain.faults("primary_key: [id]\n  expect", by: "primary_ky: [id]\n  expect")
    #expect(
      faults.map(\.message) == ["unknown key primary_ky in a source; did you mean primary_key?"])
  }

  @Test func `whose YAML cannot be read says nothing of files that it may name`() {
    let files =
      Chain.files().files + [
        PackageFiles.File(path: "models/gold/x.sql", bytes: Array("select 1".utf8)),
        PackageFiles.File(path: "models/gold/x.yaml", bytes: Array("models: a: b\n".utf8)),
      ]
    let faults = #expect(throws: PackageFaults.self) {
      try PackageReader.read(PackageFiles(files))
    }
    #expect(faults?.list.map(\.file) == ["models/gold/x.yaml"])
    #expect(faults?.list.first?.fix?.hasPrefix("quote a text") == true)
  }

  @Test func `notes a query whose order leaves ties`() throws {
    func notes(_ order: String) throws -> [String] {
      try PackageReader.readWithTests(
        Chain.files("where shop = :shop", by: "where shop <> :shop order by \(order)")
      ).checked.notes
    }
    #expect(
      try notes("total") == [
        "queries/q.yaml:2:5: note: the ORDER BY of total_of leaves ties, so it is answered at "
          + "trust replica only: end it with a unique key"
      ])
    #expect(try notes("total, shop").isEmpty)
  }

  @Test func `asks for a map where an upstream lacks the key`() {
    let join = """
      select o.shop, sum(o.total) as total from {{ ref('slv_orders') }} o \
      join {{ ref('slv_shops') }} s on s.city = o.shop group by o.shop
      """
    let whole = "select shop, sum(total) as total from {{ ref('slv_orders') }} group by shop"
    // slv_shops without its shop: changes of a city say nothing of keys.
    let faults = Chain.faults(whole, by: join.replacing("slv_shops", with: "cities"))
    #expect(faults.contains { $0.rule == "SQL05" })
    let view = "  - { name: cities, kind: view, sql: \"select city from {{ source('shops') }}\" }\n"
    var files = Chain.files(whole, by: join.replacing("slv_shops", with: "cities")).files
    files = files.map {
      $0.path == "models/silver/_silver.yaml"
        ? PackageFiles.File(path: $0.path, bytes: $0.bytes + Array(view.utf8)) : $0
    }
    let refused = #expect(throws: PackageFaults.self) {
      try PackageReader.read(PackageFiles(files))
    }
    #expect(
      refused?.list.map(\.message) == [
        "model cities has no column shop, so its changes cannot be mapped to keys"
      ])
    let map = "refresh: { by: [shop], map: { cities: \"select city as shop from {{ changed }}\" } }"
    let mended = files.map {
      PackageFiles.File(
        path: $0.path,
        bytes: Array(
          String(decoding: $0.bytes, as: UTF8.self)
            .replacing("refresh: { by: [shop] }", with: map).utf8))
    }
    #expect(throws: Never.self) { try PackageReader.read(PackageFiles(mended)) }
  }

  @Test func `is refused as canonical bytes that no reader would write`() throws {
    var package = try PackageReader.read(Chain.files())
    #expect(throws: Never.self) { try CheckedPackage(package) }
    package.defaults.batchBytesMax = .max
    package.name = "x; drop table y"
    package.sources[0].columns[0].name = "_batch"
    let faults = #expect(throws: PackageFaults.self) { try CheckedPackage(package) }
    #expect(faults?.list.count ?? 0 >= 3)
    var twins = try PackageReader.read(Chain.files())
    twins.models.append(twins.models[0])
    #expect(throws: Malformed.self) { try Package(canonicalBytes: twins.canonicalBytes) }
  }
}

@Suite struct `A certified table` {
  private func notes(_ folder: String) throws -> [String] {
    try PackageReader.readWithTests(PackageFiles(directory: Folders.pipeline(folder)))
      .checked.notes
  }

  @Test func `is noted as open to everyone where the package restricts other reads`() throws {
    let notes = try notes("delivery-tracking")
    #expect(notes.count == 1)
    #expect(
      notes.first?.hasPrefix(
        "models/gold/_gold.yaml:12:5: note: fct_delivery_status is certified: everyone reads it")
        == true, "\(notes)")
    #expect(notes.first?.contains("role:driver") == true)
    #expect(try self.notes("berka").isEmpty)
  }
}
