import SQL
import Testing

@Suite struct `A statement of the worked example` {
  @Test func `matches lines exactly and pairs duplicates by ordinal`() throws {
    let checked = try Example.check(
      """
      with ord as (
        select transaction_id, side, bank_id, currency, amount, value_date, match_ref,
               row_number() over (
                 partition by bank_id, match_ref, currency, amount, value_date, side
                 order by transaction_id) as k,
               count(*) over (
                 partition by bank_id, match_ref, currency, amount, value_date, side) as n
        from {{ ref('slv_transactions') }}
      )
      select b.transaction_id as bank_transaction_id, l.transaction_id as ledger_transaction_id,
             b.bank_id, b.match_ref, 'EXACT' as match_rule
      from ord b join ord l using (bank_id, match_ref, currency, amount, value_date, k, n)
      where b.side = 'BANK' and l.side = 'LEDGER'
      """)
    #expect(checked.tables == ["slv_transactions"])
    #expect(checked.keys.contains(["bank_transaction_id"]))
    #expect(checked.deterministic)
  }

  @Test func `names the first reason of an exception`() throws {
    let checked = try Example.check(
      """
      select t.transaction_id, t.bank_id, t.match_ref,
        case
          when exists (select 1 from {{ ref('slv_transactions') }} o where o.bank_id = t.bank_id
                       and o.side <> t.side
                       and abs(o.value_date - t.value_date)
                           <= {{ var('date_tolerance_days') }}) then 'DATE'
          else 'UNMATCHED' end as exception_type
      from {{ ref('slv_transactions') }} t
      where not exists (select 1 from {{ ref('slv_matches') }} m where m.bank_id = t.bank_id
                        and t.transaction_id in (m.bank_transaction_id, m.ledger_transaction_id))
      """)
    #expect(checked.keys.first == ["transaction_id"])
    #expect(checked.print().contains("<= 3"))
  }

  @Test func `joins the newest stage and audit and keeps its key`() throws {
    let checked = try Example.check(
      """
      with stage as (
        select transaction_id, stage,
               row_number() over (partition by transaction_id order by seq desc) as k
        from {{ ref('slv_lifecycle') }}
      ), aud as (
        select transaction_id, audit_id,
               row_number() over (partition by transaction_id order by at desc, audit_id desc) as k
        from {{ ref('slv_audit') }}
      )
      select t.transaction_id, t.amount, a.audit_id, coalesce(s.stage, 'pending') as lifecycle_stage
      from {{ ref('slv_transactions') }} t
      left join stage s on s.transaction_id = t.transaction_id and s.k = 1
      left join aud a on a.transaction_id = t.transaction_id and a.k = 1
      """)
    #expect(checked.keys.first == ["transaction_id"])
    #expect(checked.columns[1].type == Example.amount)
    #expect(checked.columns[2].nullable)
    #expect(!checked.columns[3].nullable)
  }

  @Test func `sums a rolling range over days`() throws {
    let checked = try Example.check(
      """
      with daily as (
        select customer_id, currency, value_date, sum(amount) as net
        from {{ ref('slv_transactions') }} where side = 'LEDGER'
        group by customer_id, currency, value_date
      )
      select customer_id, currency, value_date,
             sum(net) over (partition by customer_id, currency order by value_date
                            range between 29 preceding and current row) as rolling_30d
      from daily
      """)
    #expect(checked.keys.contains(["customer_id", "currency", "value_date"]))
    #expect(checked.columns[0].pii)
    #expect(!checked.columns[2].pii)
  }

  @Test func `finds islands of late payments`() throws {
    let checked = try Example.check(
      """
      with p as (
        select customer_id, transaction_id, value_date, payment_status,
               row_number() over (partition by customer_id order by value_date, transaction_id)
             - row_number() over (partition by customer_id, payment_status
                                  order by value_date, transaction_id) as island
        from {{ ref('slv_transactions') }}
        where side = 'LEDGER' and payment_status <> 'NoDue'
      )
      select customer_id, island, min(value_date) as from_date, max(value_date) as to_date,
             count(*) as consecutive_late
      from p where payment_status = 'Late'
      group by customer_id, island having count(*) >= 2
      """)
    #expect(checked.keys.first == ["customer_id", "island"])
    #expect(checked.columns[2].type == .date)
  }

  @Test func `takes the top three a customer`() throws {
    let checked = try Example.check(
      """
      select customer_id, rnk, transaction_id, amount, value_date from (
        select customer_id, transaction_id, amount, value_date,
               row_number() over (partition by customer_id
                                  order by amount desc, value_date desc, transaction_id) as rnk
        from {{ ref('slv_transactions') }}
        where side = 'LEDGER' and value_date > :as_of - 365 and value_date <= :as_of)
      where rnk <= 3 order by customer_id, rnk
      """, .query, parameters: [(name: "as_of", type: .date)])
    #expect(checked.isTotallyOrdered)
    #expect(checked.parameters == ["as_of"])
  }

  @Test func `appends the next stage, one row whatever is there`() throws {
    let checked = try Example.check(
      """
      select :transaction_id as transaction_id, coalesce(max(seq), 0) + 1 as seq, :stage as stage,
             consensus_time_ms() as at
      from {{ source('lifecycle_associations') }} where transaction_id = :transaction_id
      """, .procedure,
      parameters: [(name: "transaction_id", type: .text), (name: "stage", type: .text)])
    #expect(checked.keys == [[]])
    #expect(checked.columns[3].type == .timestamp)
  }
}

@Suite struct `Printed text` {
  @Test(arguments: [
    "select transaction_id, amount from {{ ref('slv_transactions') }} "
      + "where year(value_date) between 1 and 2",
    "select distinct bank_id from {{ ref('slv_transactions') }} order by bank_id limit 3",
    "select bank_id, count(*) as n from {{ ref('slv_transactions') }} group by bank_id "
      + "having count(*) > 1 union all select 'x', -1",
    "select case when not month(value_date) = 1 then 'it''s' else null end as a, x'00ff' as b, "
      + "cast(amount as text) as c from {{ ref('slv_transactions') }} t",
    "select t.transaction_id, sum(amount) over w as s from {{ ref('slv_transactions') }} t "
      + "window w as (partition by bank_id order by value_date range unbounded preceding)",
  ])
  func `is a fixpoint of parsing and printing`(text: String) throws {
    let once = try Example.check(text).print()
    let twice = try Example.check(once, .adhoc, form: .adhoc).print()
    #expect(once == twice)
    #expect(!once.contains("{{"))
  }

  @Test(arguments: [
    ("amount * amount", "decimal(18,4)"), ("mul_exact(amount, amount)", "decimal(18,4)"),
    ("amount * 3", "decimal(18,2)"), ("amount - 3", "decimal(18,2)"), ("-amount", "decimal(18,2)"),
    ("amount / 3", "decimal(18,2)"), ("amount / amount", "int"),
    ("amount * amount / amount", "decimal(18,2)"), ("amount + amount", "decimal(18,2)"),
    ("sum(amount)", "decimal(18,2)"), ("sum(amount > 0)", "int"), ("max(value_date)", "date"),
    ("mul_div(amount, amount, 100)", "int"), ("mul_div(amount, 100, 1)", "int"),
    ("mul_div(amount, 3, 2)", "decimal(18,2)"), ("mul_div(amount, 1, 100)", "int"),
    ("mul_div(amount, amount, max(amount, 1))", "decimal(18,2)"),
    ("amount * amount / 100", "int"), ("100 * amount", "int"), ("amount * -10", "int"),
    ("amount * 1", "decimal(18,2)"), ("amount * 20", "decimal(18,2)"),
    ("exact(amount, amount, 100, '*/')", "int"), ("amount % 500", "decimal(18,2)"),
    ("mul_div(3, amount, 2)", "decimal(18,2)"), ("mul_div(amount, 1000000, amount)", "int"),
    ("mul_div(length(side), amount, 1)", "decimal(18,2)"), ("coalesce(amount, 0)", "decimal(18,2)"),
    ("mul_div(amount, amount * amount, amount * amount)", "decimal(18,2)"),
    ("1000000 * amount / amount", "int"), ("100 * amount / (amount * amount)", "int"),
    ("amount * amount / (100 * amount)", "int"), ("amount * amount / 100 / amount", "int"),
    ("amount * amount * (10 * amount)", "int"), ("amount % 5.00", "decimal(18,2)"),
    ("sum(1000000 * amount) / sum(amount)", "int"), ("add_exact(amount, 1.00)", "decimal(18,2)"),
    ("case when side = 'BANK' then 0 else amount end", "decimal(18,2)"),
    ("iif(side = 'BANK', amount, null)", "decimal(18,2)"), ("coalesce(due_date, 0)", "date"),
    ("value_date + 1", "date"), ("value_date - due_date", "int"), ("value_date - 1", "date"),
    ("consensus_time_ms() - 1", "timestamp"), ("consensus_time_ms() / 86400000", "int"),
    ("date_of(consensus_time_ms())", "date"), ("exact(amount, 2, '*')", "decimal(18,2)"),
    ("cast(amount as integer) * 100", "int"), ("min(amount > 0, 3)", "int"),
  ])
  func `says what a number counts`(expression: String, type: String) throws {
    let query = try Example.check("select \(expression) as x from {{ ref('slv_transactions') }}")
    #expect(query.columns.map(\.type.description) == [type])
  }

  @Test func `says nothing of a scale that no decimal has`() throws {
    let product = Array(repeating: "amount", count: 8).joined(separator: " * ")
    func type(_ expression: String) throws -> [SQLType] {
      try Example.check("select \(expression) as x from {{ ref('slv_transactions') }}")
        .columns.map(\.type)
    }
    #expect(try type(product + " * amount") == [.decimal(precision: 18, scale: 18)])
    #expect(try type(product + " * amount * amount") == [.integer])
  }

  @Test func `casts to integer through a function of ours, exactly`() throws {
    let text = "select cast(t.side as integer) as x from {{ ref('slv_transactions') }} t"
    #expect(try Example.check(text).print().contains("whole_number(\"t\".\"side\")"))
    #expect(throws: (any Error).self) {
      try Example.check("select whole_number(side) as x from {{ ref('slv_transactions') }}")
    }
    let real = try Example.check(
      "select cast(t.seq * 1.5 as integer) as x from slv_lifecycle t", .adhoc, form: .adhoc)
    #expect(real.print().contains("CAST((\"t\".\"seq\" * 1.5) AS INTEGER)"))
  }

  /// SQLite would take the alias of the inner SELECT first.
  @Test func `qualifies what an inner SELECT reads from around it`() throws {
    let rows = "from {{ ref('slv_transactions') }}"
    let text = try Example.check(
      "select k, (select max(s.side) as k \(rows) s where s.bank_id = k) as x "
        + "from (select bank_id as k \(rows)) u"
    ).print()
    #expect(text.contains("(\"s\".\"bank_id\" = \"u\".\"k\")"))
  }

  @Test(arguments: [
    ("a.amount + 1 - 2 * 3", "exact(\"a\".\"amount\", 1, exact(2, 3, '*'), '+-')"),
    ("-a.amount", "exact(0, \"a\".\"amount\", '-')"), ("-5", "(-5)"),
    ("(a.amount + 1) % 7 / 2", "exact(exact(\"a\".\"amount\", 1, '+'), 7, 2, '%/')"),
  ])
  func `writes arithmetic so that it fails where 64 bits do not hold it`(
    expression: String, printed: String
  ) throws {
    let text = try Example.check("select \(expression) as x from {{ ref('slv_transactions') }} a")
      .print()
    #expect(text.hasPrefix("SELECT \(printed) AS \"x\" FROM"), "\(text)")
    let real = try Example.check(
      "select a.seq + 1.5 as x from slv_lifecycle a", .adhoc, form: .adhoc
    ).print()
    #expect(real.contains("(\"a\".\"seq\" + 1.5)"))
  }

  @Test(arguments: [
    ("json_array(t.side, 1)", #"json_array(metered("t"."side"), 1)"#),
    (
      "cast(json_array(t.side) ->> '$[0]' as text)",
      #"(metered(json_array(metered("t"."side"))) ->> '$[0]')"#
    ),
    (
      "(select count(*) from json_each(json_array(t.side)) j)",
      #""json_each"(metered(json_array(metered("t"."side")))) AS "j""#
    ),
    ("upper(trim(t.side))", #"upper(trim(metered("t"."side")))"#),
    ("t.side || 'a' || t.bank_id", #"metered("t"."side" || 'a' || "t"."bank_id")"#),
    (
      "cast(json_array(t.side) -> '$[0]' -> '$' ->> '$' as text)",
      #"(metered(json_array(metered("t"."side"))) -> '$[0]' -> '$' ->> '$')"#
    ),
    ("length(hex(hex(t.side)))", #"length(metered(hex(metered(hex(metered("t"."side"))))))"#),
    (
      "length(json_extract(json_array(1), '$', '$'))",
      #"length(metered(json_extract(metered(json_array(1)), '$', '$')))"#
    ),
    (
      "length(json_extract(json_array(1), '$'))",
      #"length(json_extract(metered(json_array(1)), '$'))"#
    ),
  ])
  func `meters what SQLite's functions go through, and nobody may call that`(
    expression: String, printed: String
  ) throws {
    let rows = "from {{ ref('slv_transactions') }} t"
    let text = try Example.check("select \(expression) as x \(rows)").print()
    #expect(text.contains(printed), "\(text)")
    #expect(throws: (any Error).self) { try Example.check("select metered(t.side) as x \(rows)") }
  }

  @Test(arguments: [
    ("(t.seq & 4) is true", #"(CASE WHEN ("t"."seq" & 4) THEN 1 ELSE 0 END)"#),
    ("t.seq is not true", #"(CASE WHEN "t"."seq" THEN 0 ELSE 1 END)"#),
    ("t.seq is false", #"(CASE WHEN NOT "t"."seq" THEN 1 ELSE 0 END)"#),
    ("t.seq is not false", #"(CASE WHEN NOT "t"."seq" THEN 0 ELSE 1 END)"#),
    ("t.seq is 1", #"("t"."seq" IS 1)"#), ("true is t.seq", #"(1 IS "t"."seq")"#),
    ("t.seq = true", #"("t"."seq" = 1)"#),
  ])
  func `asks for truth where SQLite does, and without its word`(
    expression: String, printed: String
  ) throws {
    let text = try Example.check("select \(expression) as x from {{ ref('slv_lifecycle') }} t")
      .print()
    #expect(text.hasPrefix("SELECT \(printed) AS \"x\" FROM"), "\(text)")
  }

  @Test func `restricts a source, not the result`() throws {
    let checked = try Example.check(
      "select t.bank_id, count(*) as n from {{ ref('slv_transactions') }} t group by t.bank_id")
    #expect(
      checked.print { _ in ["bank_id"] }
        == "SELECT \"t\".\"bank_id\" AS \"bank_id\", count(*) AS \"n\" FROM (SELECT * FROM "
        + "\"slv_transactions\" WHERE \"bank_id\" = :refresh_bank_id) AS \"t\" "
        + "GROUP BY \"t\".\"bank_id\"")
  }

  @Test func `says an expectation with qualified columns`() throws {
    let text = SQLText(
      file: "s.yaml", text: "amount <> 0 and exists_in(banks, bank_id) and quarantined_ppm() < 5")
    let banks = TableShape(
      name: "bronze_banks", columns: [ColumnShape(name: "id", type: .text)], keys: [["id"]])
    let checked = try checkExpectation(
      text, over: Example.financial, lookups: [(name: "banks", shape: banks)])
    #expect(checked.usesQuarantinedPPM)
    #expect(checked.columns == ["amount", "bank_id"])
    #expect(
      checked.print(qualifier: "new")
        == "((\"new\".\"amount\" <> 0) AND EXISTS (SELECT 1 FROM \"bronze_banks\" AS "
        + "\"looked_up\" WHERE \"looked_up\".\"id\" = \"new\".\"bank_id\") AND "
        + "(:quarantined_ppm < 5))")
  }
}

@Suite struct `The references of a text` {
  @Test func `are found in joins, common tables and inner queries`() throws {
    let query = try parse(
      SQLText(
        file: "m.sql",
        text: """
          with a as (select 1 as x from {{ ref('one') }})
          select (select max(x) from {{ ref('two') }}) as y from a
          join {{ source('three') }} b on exists (select 1 from {{ ref('one') }})
          """))
    #expect(query.references == [.ref("one"), .ref("two"), .source("three")])
  }
}
