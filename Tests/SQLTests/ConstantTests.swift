import SQL
import Testing

@Suite struct `A constant` {
  private static let rows = "from {{ ref('slv_transactions') }}"
  private static let plain = "from slv_transactions"

  /// The statement's text in every profile that a SELECT has, each of which reads it alike.
  private func printed(_ condition: String) throws -> String {
    let files = try [Profile.model, .procedure, .query, .test].map {
      try Example.check("select side \(Self.rows) where \(condition)", $0).print()
    }
    let typed = try Example.check(
      "select side \(Self.plain) where \(condition)", .adhoc, form: .adhoc
    ).print()
    #expect(Set(files + [typed]).count == 1)
    return typed
  }

  private func refusal(_ condition: String, _ profile: Profile) -> Diagnostic? {
    let isTyped = profile == .adhoc
    let text = "select side \(isTyped ? Self.plain : Self.rows) where \(condition)"
    do {
      _ = try Example.check(text, profile, form: isTyped ? .adhoc : .file)
      return nil
    } catch {
      return (error as? Diagnostics)?.list.first
    }
  }

  @Test(arguments: [
    ("amount > 10.5", "(\"amount\" > 1050)"), ("amount > 20.00", "(\"amount\" > 2000)"),
    ("-0.05 < amount", "((-5) < \"amount\")"), ("amount = '10.00'", "(\"amount\" = 1000)"),
    ("amount = '10'", "(\"amount\" = 1000)"), ("amount is not 1.0", "(\"amount\" IS NOT 100)"),
    ("amount between 5.00 and 20.5", "(\"amount\" BETWEEN 500 AND 2050)"),
    ("7.5 between amount and 9.0", "(750 BETWEEN \"amount\" AND 900)"),
    ("amount in (1.5, 2.00, 0)", "(\"amount\" IN (150, 200, 0))"),
    ("case amount when 1.50 then 1 end = 1", "CASE \"amount\" WHEN 150 THEN 1 END"),
    ("coalesce(amount, 9.5) > 1.25", "(coalesce(\"amount\", 950) > 125)"),
    ("case when side = 'a' then 2.5 else amount end > 0.5", "THEN 250 ELSE \"amount\" END) > 50"),
    ("nullif(amount, 2.5) > max(amount, 0.5)", "nullif(\"amount\", 250)"),
    ("amount + 1.00 > 2.50", "(exact(\"amount\", 100, '+') > 250)"),
    ("amount * amount > 0.0001", "> 1)"), ("value_date > '2026-11-01'", "(\"value_date\" > 20758)"),
    ("value_date = '1969-12-31'", "(\"value_date\" = (-1))"),
    ("due_date between '2024-02-29' and '2026-01-31'", "BETWEEN 19782 AND 20484"),
    ("coalesce(due_date, '1970-01-02') > value_date", "coalesce(\"due_date\", 1)"),
    ("consensus_time_ms() >= '1970-01-02T00:00:01.5Z'", ">= 86401500"),
    ("consensus_time_ms() >= '1970-01-02 01:00:00+01:00'", ">= 86400000"),
    ("length(side) > '2'", "> 2)"),
  ])
  func `is read in the type of what it stands beside`(
    condition: String, expected: String
  ) throws {
    let text = try printed(condition)
    #expect(text.contains(expected), "\(text)")
  }

  @Test func `stays what it is in an inner SELECT's list, and beside numbers that count nothing`()
    throws
  {
    let text = try Example.check(
      "select side \(Self.rows) where 1.5 in (select amount \(Self.rows)) "
        + "and year(value_date) > 2025 and side = '2026-11-01' and bank_id <> '10.50'"
    ).print()
    #expect(text.contains("(150 IN (SELECT"))
    #expect(text.contains("> 2025)") && text.contains("'2026-11-01'") && text.contains("'10.50'"))
  }

  @Test(arguments: [
    ("amount > 10.505", "it is no number of at most 2 digits behind the point", "10.50"),
    ("amount > 1e3", "it is no number of at most 2 digits behind the point", "12.55"),
    ("amount = 'ten'", "it is no number of at most 2 digits behind the point", "12.55"),
    ("value_date > '2026-02-30'", "it is no date such as 2026-01-31", "'2026-01-31'"),
    ("value_date > '2026-11-01T00:00:00Z'", "it is no date such as 2026-01-31", "'2026-11-01'"),
    ("value_date > 20261101", "it is no date such as 2026-01-31", "'2026-01-31'"),
    (
      "consensus_time_ms() > '2026-11-01'", "it is no timestamp such as 2026-01-31T10:00:00Z",
      "'2026-11-01T00:00:00Z'"
    ),
    ("side = 5", "values of different types are never equal, and 1 < 'a' is true", "'5'"),
    (
      "value_date like '2026%'", "it is stored as a whole number, whose digits are no text",
      "compare it, as in x >= … and x < …"
    ),
  ])
  func `of another kind is refused in every profile`(
    condition: String, reason: String, fix: String
  ) {
    for profile in [Profile.model, .procedure, .query, .test, .adhoc] {
      let found = refusal(condition, profile)
      #expect(found?.rule == "QD23", "\(profile)")
      #expect(found?.reason == reason && found?.fix == fix, "\(found?.description ?? "")")
    }
  }

  @Test(arguments: [
    ("amount > 50", "QD23", "50.00, or 0.50 if that is meant"),
    ("amount between 5 and 20.5", "QD23", "5.00, or 0.05 if that is meant"),
    ("amount + 1 > 0", "QD23", "1.00, or 0.01 if that is meant"),
    ("case when side = 'a' then amount else 7 end > 0", "QD23", "7.00, or 0.07 if that is meant"),
    ("amount * 1.5 > 0", "QD20", "mul_div(x, 11, 10, 'half_even') for 1.1 times x"),
    ("round(amount) > 0", "QD20", "mul_div(amount, 1, 100, 'half_even')"),
    ("cast(side as real) > amount", "QD23", "cast(… as integer)"),
    ("coalesce(amount, 'none') > 0", "QD23", "cast(… as text)"),
  ])
  func `that nobody's notes would tell of is refused as a person types it`(
    condition: String, rule: String, fix: String
  ) {
    let found = refusal(condition, .adhoc)
    #expect(found?.rule == rule)
    #expect(found?.fix?.hasPrefix(fix) == true, "\(found?.description ?? "")")
  }

  @Test func `makes no mean of parts, and no row of another unit`() {
    let rules = { Example.rules($0, .adhoc, form: .adhoc) }
    #expect(rules("select amount \(Self.plain) union all select 50 \(Self.plain)") == ["QD23"])
    #expect(rules("select amount \(Self.plain) union all select 0 \(Self.plain)") == [])
    #expect(rules("select sum(amount) as s, avg(amount) as x \(Self.plain)") == ["QD20"])
    #expect(rules("select total(amount) as x \(Self.plain)") == ["QD20"])
    #expect(rules("select avg(length(side)) as x \(Self.plain)") == [])
    let mean = "select mul_div(sum(amount), 1, count(amount), 'half_even') as x \(Self.plain)"
    #expect(rules(mean) == [])
    #expect((try? Example.check(mean, .adhoc, form: .adhoc))?.columns[0].type == Example.amount)
  }

  @Test func `of an expectation is read in its column's type`() throws {
    func check(_ text: String) throws -> String {
      try checkExpectation(
        SQLText(file: "e", text: text), over: Example.financial, lookups: []
      ).print()
    }
    #expect(try check("0.5 < amount").contains("(50 < "))
    #expect(try check("value_date >= '1970-01-11'").contains(">= 10)"))
    #expect(throws: Diagnostics.self) { try check("value_date >= 'soon'") }
    #expect(throws: Diagnostics.self) { try check("amount >= 0.125") }
  }

  @Test(arguments: [
    ("value_date >= :x", Literal.text("2026-11-22"), ">= 20779)"),
    (":x <= amount", .text("10.50"), "(1050 <= "), ("side = :x", .integer(5), "= '5')"),
    ("side = :x", .text("5"), "= :x)"), ("length(side) = :x", .integer(5), "= :x)"),
    ("amount in (:x)", .text("7"), "IN (700)"),
  ])
  func `that is given for an argument is read as what it is compared with`(
    condition: String, value: Literal, expected: String
  ) throws {
    #expect(try given(condition, value).print().contains(expected))
  }

  @Test(arguments: [
    ("value_date >= :x", Literal.text("soon")), ("amount > :x", .integer(50)),
    ("amount > :x", .text("many")), ("value_date = :x", .integer(20_261_122)),
  ])
  func `that fits no argument's use is refused`(condition: String, value: Literal) {
    #expect(throws: Diagnostics.self) { try given(condition, value) }
  }

  private func given(_ condition: String, _ value: Literal) throws -> CheckedQuery {
    let text = SQLText(file: "q", text: "select side \(Self.plain) where \(condition)")
    let type: SQLType = if case .integer = value { .integer } else { .text }
    return try SQL.check(
      try parse(text, form: .adhoc), catalog: Example.catalog, profile: .adhoc,
      parameters: [(name: "x", type: type)], arguments: [(name: "x", value: value)])
  }
}
