import SQL
import Testing

@Suite struct `A statement that grows by itself` {
  /// Three tables of 128 columns each: `a0`, `b0`, `c0` and so on.
  private static let wide = SQL.Catalog(
    ["a", "b", "c"].map { letter in
      .init(
        kind: .ref, name: letter,
        shape: TableShape(
          name: letter,
          columns: (0..<128).map { ColumnShape(name: "\(letter)\($0)", type: .integer) },
          keys: [["\(letter)0"]]))
    })

  private func rules(_ text: String) -> [String] {
    do {
      _ = try SQL.check(
        try parse(SQLText(file: "model.sql", text: text)), catalog: Self.wide, profile: .model)
      return []
    } catch let error as Diagnostics {
      return error.list.map(\.rule)
    } catch {
      return ["\(error)"]
    }
  }

  @Test(arguments: [
    ("select a.*, b.* from {{ ref('a') }} a cross join {{ ref('b') }} b", []),
    ("select a.*, b.*, 1 as one from {{ ref('a') }} a cross join {{ ref('b') }} b", ["SQL03"]),
    ("select 1 as one, a.*, b.* from {{ ref('a') }} a cross join {{ ref('b') }} b", ["SQL03"]),
    (
      "select * from {{ ref('a') }} a cross join {{ ref('b') }} b cross join {{ ref('c') }} c",
      ["SQL03"]
    ),
    (
      "select count(*) as n from (select * from {{ ref('a') }} a cross join {{ ref('b') }} b "
        + "cross join {{ ref('c') }} c) as wide",
      ["SQL03"]
    ),
  ])
  func `by stars has no more columns than one that names them`(text: String, found: [String]) {
    #expect(rules(text) == found)
  }

  @Test func `by products of products is read to its end`() {
    var text = "with t0 as (select amount * 10 as x from {{ ref('slv_transactions') }})"
    for number in 1..<30 {
      let factors = Array(repeating: "x", count: 8).joined(separator: " * ")
      text += ", t\(number) as (select \(factors) as x from t\(number - 1))"
    }
    #expect(Example.rules("\(text) select x from t29") == [])
  }

  @Test func `by recursion does so in one circle, not in circles within circles`() {
    let inner = "(select 1 union all select j + 1 from m where j < 3)"
    let outer =
      "select 1 union all select k.j from (with recursive m(j) as \(inner) select j from m)"
    #expect(
      Example.rules("with recursive n(i) as (\(outer) as k, n where n.i < 3) select i from n")
        .contains("SQL04"))
    let beside =
      "with recursive m(j) as \(inner), n(i) as (select 1 union all select k.j from m as k, n "
      + "where n.i < 3) select i from n"
    #expect(!Example.rules(beside).contains("SQL04"))
  }
}

@Suite struct `A statement that no package should hold` {
  @Test(arguments: [Profile.model, .query, .adhoc, .test])
  func `is refused, and ends nobody who reads it`(profile: Profile) {
    let form: TextForm = profile == .adhoc ? .adhoc : .file
    #expect(Example.rules("select -0x8000000000000000 as x", profile, form: form) == ["QD22"])
    #expect(Example.rules("select -0x7fffffffffffffff as x", profile, form: form) == [])
    let grouped = "select exists_in(a, b) as x, count(*) as n group by exists_in(a, b)"
    #expect(Example.rules(grouped, profile, form: form).contains("SQL08"))
  }
}

/// Texts below every other limit that would be checked for hours.
enum Endless {
  private static let rows = "{{ ref('slv_transactions') }}"

  /// `last` inside of as many SELECTs as may stand inside one another.
  private static func nested(_ last: String, _ around: (Int, String) -> String) -> String {
    (1..<SQLLimits.subqueryDepthMax).reduce(last) { inner, level in around(level, inner) }
  }

  private static func list(_ count: Int, _ part: (Int) -> String) -> String {
    (0..<count).map(part).joined(separator: ", ")
  }

  /// GROUP BY names one result again and again.
  static let groups = nested("select 'x' as a group by a") { _, inner in
    "select exists(\(inner)) as a group by \(list(100) { _ in "a" }), 1"
  }

  /// Each call looks again at what its window is ordered by.
  static let ranges = nested("select 1 as s0") { _, inner in
    let calls = list(50) {
      "sum(1) over (w range between 1 preceding and current row) as s\($0)"
    }
    return "select \(calls) window w as (order by exists(\(inner)))"
  }

  /// Windows that hold SELECTs whose windows do.
  static let windows = nested("select 1 as c") { level, inner in
    let calls = list(50) { "count(*) over w as c\($0)" }
    let tie =
      level == SQLLimits.subqueryDepthMax - 1
      ? "" : "where t\(level).transaction_id = t\(level + 1).transaction_id "
    return "select t\(level).transaction_id, \(calls) from \(rows) t\(level) \(tie)"
      + "window w as (partition by t\(level).transaction_id, exists(\(inner)))"
  }

  /// Keys of as many columns as there may be, chained by equalities from the last to the first.
  static let keys: String = {
    let first = list(SQLLimits.columnsMax) { "1 as c\($0)" }
    let second = list(SQLLimits.columnsMax) { _ in "2" }
    let sources = list(SQLLimits.sourcesMax) { "w as w\($0)" }
    func column(_ link: Int) -> String { "w\(link / 80).c\(link % 80)" }
    var conditions = (1..<1_200).reversed().map { "\(column($0)) = \(column($0 - 1))" }
    // As a tree: a chain of so many would be too high.
    while conditions.count > 1 {
      conditions = stride(from: 0, to: conditions.count, by: 8).map { place in
        let some = conditions[place..<min(place + 8, conditions.count)]
        return some.count == 1 ? some[place] : "(\(some.joined(separator: " and ")))"
      }
    }
    return "with w as (select \(first) union select \(second)) select w0.* from \(sources) "
      + "where \(conditions[0])"
  }()

  /// Names that mean nothing, each nearly that of many columns.
  static let misspelt = "select \(list(250) { "transaction_if as c\($0)" }) from \(rows)"
}

@Suite struct `A text whose check would take hours` {
  @Test func `is checked at once where results that GROUP BY names are resolved once`() {
    #expect(Example.rules(Endless.groups) == [])
  }

  @Test func `of windows inside of windows is followed key by key at once`() throws {
    let query = try Example.check(Endless.windows)
    let tables = KeyedTables(by: ["transaction_id"], restricted: ["slv_transactions"])
    #expect(query.refusals(keyedBy: tables).isEmpty)
  }

  @Test(arguments: [Profile.model, .query, .adhoc, .test])
  func `is refused alike wherever it stands`(profile: Profile) {
    let form: TextForm = profile == .adhoc ? .adhoc : .file
    #expect(Example.rules(Endless.ranges, profile, form: form) == ["SQL03"])
    #expect(Example.rules(Endless.keys, profile, form: form) == ["SQL03"])
  }

  @Test func `is told how it comes below the bound, and after how many steps`() throws {
    let work = CheckWork()
    let query = try parse(SQLText(file: "model.sql", text: Endless.keys), work: work)
    do {
      _ = try SQL.check(query, catalog: Example.catalog, profile: .model, work: work)
      Issue.record("it is accepted")
    } catch {
      #expect(error.list.map(\.rule) == ["SQL03"])
      #expect(error.list[0].message.contains("\(SQLLimits.checkStepsMax) steps"))
      #expect(error.list[0].fix?.contains("common tables") == true)
    }
    // No walk goes far behind the last step.
    #expect(work.steps < 2 * SQLLimits.checkStepsMax)
  }

  @Test func `takes the same steps each time`() throws {
    func steps(_ text: String) throws -> Int {
      let work = CheckWork()
      let query = try parse(SQLText(file: "model.sql", text: text), work: work)
      _ = try? SQL.check(query, catalog: Example.catalog, profile: .model, work: work)
      return work.steps
    }
    for text in [Endless.groups, Endless.ranges, Endless.keys, Reconciliation.matches] {
      let first = try steps(text)
      #expect(try steps(text) == first)
    }
  }

  @Test func `full of misspelt names is refused for its names`() {
    let found = Example.rules(Endless.misspelt)
    #expect(found == Array(repeating: "SQL05", count: SQLLimits.refusalsMax))
  }
}

@Suite struct `A statement of sensible size` {
  @Test(arguments: [
    Reconciliation.silverTransactions, Reconciliation.matches, Reconciliation.exceptions,
    Reconciliation.audit,
  ])
  func `takes less than a twenty-fifth of the steps that it may`(text: String) throws {
    let work = CheckWork()
    let query = try parse(SQLText(file: "model.sql", text: text), work: work)
    let checked = try SQL.check(
      query, catalog: Example.catalog, profile: .model,
      vars: [(name: "date_tolerance_days", value: .integer(3))], work: work)
    let tables = KeyedTables(by: ["bank_id"], restricted: ["slv_transactions"])
    _ = checked.refusals(keyedBy: tables, work: work)
    #expect(work.steps * 25 < SQLLimits.checkStepsMax)
  }

  @Test func `is accepted at ten times that size`() {
    let arms = Array(repeating: Reconciliation.silverTransactions, count: 10)
    #expect(Example.rules(arms.joined(separator: " union all ")) == [])
  }
}

@Suite struct `GROUP BY` {
  @Test func `takes a result once, however often it names it`() throws {
    let query = try Example.check(
      "select upper(side) as s, count(*) as n from {{ ref('slv_transactions') }} "
        + "group by s, 1, s")
    #expect(query.keys == [["s"]])
    #expect(query.print().hasSuffix(" GROUP BY upper(metered(\"side\"))"))
  }
}
