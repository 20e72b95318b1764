import Foundation
import SQL
import Testing

@testable import Execution

/// Statements of one run: a few here, 100,000 with `QUORATE_KEYED_SELECTS=100000`.
private let statements =
  ProcessInfo.processInfo.environment["QUORATE_KEYED_SELECTS"].flatMap { Int($0) } ?? 800

private func checked(_ text: String) -> CheckedQuery? {
  guard let query = try? parse(SQLText(file: "keyed.sql", text: text)) else { return nil }
  return try? SQL.check(query, catalog: KeyedTwin.catalog, profile: .model)
}

private func tables(by: [String]) -> KeyedTables { KeyedTables(by: by, restricted: ["r", "q"]) }

@Suite struct `A statement that is computed key by key` {
  @Test(arguments: [["k"], ["k", "c"]])
  func `gives what it gives as a whole, whatever the statement`(by: [String]) throws {
    let twins = try (1...3).map { try KeyedTwin(seed: $0) }
    var (accepted, refused, provenWrong) = (0, 0, 0)
    for seed in 0..<statements {
      var writer = KeyedSelectWriter(seed: UInt64(seed) &* 7 &+ UInt64(by.count), by: by)
      let text = writer.statement()
      guard let query = checked(text), by.allSatisfy({ query.columns.map(\.name).contains($0) })
      else { continue }
      let isAccepted = query.refusals(keyedBy: tables(by: by)).isEmpty
      let difference = twins.lazy.compactMap { $0.difference(query, by: by) }.first
      if isAccepted {
        accepted += 1
        #expect(difference == nil, "seed \(seed): \(text)\n\(difference ?? "")")
      } else {
        refused += 1
        if difference != nil { provenWrong += 1 }
      }
    }
    print(
      "Keyed by \(by): \(accepted) accepted, \(refused) refused, \(provenWrong) of these differ")
    #expect(accepted * 10 > statements)
    #expect(provenWrong * 4 > refused)
  }

  /// Each is wrong for some key of the rows at hand.
  @Test(arguments: [
    // Windows.
    "select id, k, count(*) over (partition by c) as n from {{ ref('r') }}",
    "select id, k, row_number() over (order by id) as n from {{ ref('r') }}",
    "select id, k, sum(x) over w1 as n from {{ ref('r') }} window w1 as (partition by c)",
    "with n as (select id, k, rank() over (order by x) as p from {{ ref('r') }}) "
      + "select id, k, p from n where p < 9",
    "select id, k, n from (select id, k, count(*) over () as n from {{ ref('r') }})",
    // LIMIT.
    "select id, k from {{ ref('r') }} order by id limit 3",
    "select id, k from {{ ref('r') }} order by id limit 20 offset 2",
    "with n as (select id, k from {{ ref('r') }} order by id limit 3) select id, k from n",
    "select k from {{ ref('r') }} union select k from {{ ref('q') }} order by k limit 1",
    // Aggregates.
    "select max(k) as k, count(*) as n from {{ ref('r') }}",
    "select max(k) as k, c, count(*) as n from {{ ref('r') }} group by c",
    "select t.id, t.k, n.x from {{ ref('r') }} t "
      + "cross join (select max(x) as x from {{ ref('r') }}) n",
    "select t.id, t.k, n.x from {{ ref('r') }} t "
      + "join (select c, max(x) as x from {{ ref('r') }} group by c) n on n.c = t.c",
    // SELECTs inside of expressions.
    "select id, k, x - (select max(x) from {{ ref('r') }}) as d from {{ ref('r') }}",
    "select t.id, t.k from {{ ref('r') }} t "
      + "where exists (select 1 from {{ ref('q') }} o where o.c = t.c and o.k <> t.k)",
    "select t.id, t.k from {{ ref('r') }} t where t.id in (select o.id from {{ ref('q') }} o)",
    "select t.id, t.k from {{ ref('r') }} t "
      + "where t.id not in (select o.id from {{ ref('q') }} o where o.c = t.c)",
    "select t.id, t.k, (select count(*) from {{ ref('q') }} o where o.c = t.c) as n "
      + "from {{ ref('r') }} t",
    // Joins.
    "select a.id, a.k, b.id as other from {{ ref('r') }} a join {{ ref('r') }} b on b.c = a.c",
    "select a.id, a.k, b.n from {{ ref('r') }} a left join {{ ref('q') }} b on b.id = a.id",
    "select a.id, b.k from {{ ref('r') }} a join {{ ref('q') }} b on b.id = a.id and b.c = a.c",
    "select w.c, t.id, coalesce(t.k, 'a') as k from {{ ref('w') }} w "
      + "left join {{ ref('r') }} t on t.c = w.c and t.k = 'b'",
    "select t.id, u.k from {{ ref('r') }} t left join {{ ref('q') }} u "
      + "on u.k = t.k and u.id = t.id",
    // A set of rows that no longer tell their key.
    "select t.k, n.x from {{ ref('r') }} t join (select distinct x from {{ ref('r') }}) n "
      + "on n.x = t.x + 1",
    "select 'a' as k, id from {{ ref('r') }}",
    "with w1 as (select k, c from {{ ref('r') }} except select 'a', c from {{ ref('q') }}), "
      + "w2 as (select 'b' as k, c from {{ ref('w') }} except select k, c from w1) "
      + "select t.id, t.k from {{ ref('r') }} t where t.c in (select c from w2)",
    "with recursive up as (select id, k, c from {{ ref('r') }} union "
      + "select t.id, up.k, t.c from up join {{ ref('r') }} t on t.c = up.c) select id, k from up",
  ])
  func `is refused where rows of other keys count, as these rows show`(text: String) throws {
    let query = try #require(checked(text), "\(text)")
    let refusals = query.refusals(keyedBy: tables(by: ["k"]))
    #expect(refusals.first?.rule == "SQL11")
    #expect(refusals.allSatisfy { $0.fix != nil })
    let differs = try (1...6).contains {
      try KeyedTwin(seed: $0).difference(query, by: ["k"]) != nil
    }
    #expect(differs, "nothing shows that it is wrong")
  }

  @Test(arguments: [
    "select id, k, x from {{ ref('r') }}",
    "select k, count(*) as n from {{ ref('r') }} group by k",
    "select distinct k, c from {{ ref('r') }}",
    "select id, k, row_number() over (partition by k, c order by id) as n from {{ ref('r') }}",
    // The table's unique key says which key a row belongs to.
    "select t.id, t.k, n.n from {{ ref('r') }} t "
      + "join (select id, count(*) as n from {{ ref('r') }} group by id) n on n.id = t.id",
    "with n as (select a.id, b.x from {{ ref('r') }} a join {{ ref('r') }} b on b.k = a.k), "
      + "s as (select id, sum(x) as x from n group by id) "
      + "select t.id, t.k, s.x from {{ ref('r') }} t left join s on s.id = t.id",
    "select a.id, a.k, b.n from {{ ref('r') }} a left join {{ ref('q') }} b "
      + "on b.id = a.id and b.k = a.k",
    "select t.id, t.k, (select max(o.c) from {{ ref('q') }} o where o.k = t.k) as m "
      + "from {{ ref('r') }} t",
    // An aggregate that reads both what is inside and what is around it.
    "select t.id, t.k, (select max((select o.c + t.x as v)) from {{ ref('q') }} o "
      + "where o.k = t.k) as m from {{ ref('r') }} t",
    "select t.id, t.k, (select o.id from {{ ref('q') }} o where o.k = t.k "
      + "order by o.id, o.n limit 1) as m from {{ ref('r') }} t",
    "select t.id, t.k, w.y from {{ ref('r') }} t left join {{ ref('w') }} w on w.c = t.c",
    "select t.id, t.k from {{ ref('r') }} t where t.c in (select c from {{ ref('w') }})",
    "select k, id from {{ ref('r') }} union all select k, id from {{ ref('q') }}",
    "select k, id from {{ ref('r') }} except select k, id from {{ ref('q') }}",
    "select k, id from {{ ref('r') }} union all select 'none', 'none'",
    "select id, k from {{ ref('r') }} where c = (select max(c) from {{ ref('w') }})",
    "select 'a' as k, id from {{ ref('r') }} where k = 'a'",
    "with recursive up as (select id, k, c from {{ ref('r') }} union select t.id, up.k, t.c "
      + "from up join {{ ref('r') }} t on t.k = up.k and t.c = up.c + 1) select id, k from up",
  ])
  func `is taken where the key is kept all the way`(text: String) throws {
    let query = try #require(checked(text), "\(text)")
    #expect(query.refusals(keyedBy: tables(by: ["k"])).map(\.description) == [])
    for seed in 1...4 {
      #expect(try KeyedTwin(seed: UInt64(seed)).difference(query, by: ["k"]) == nil)
    }
  }
}
