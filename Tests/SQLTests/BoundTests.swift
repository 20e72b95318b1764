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
