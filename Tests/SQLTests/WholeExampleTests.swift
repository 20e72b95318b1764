import SQL
import Testing

/// The statements of the bank reconciliation, whole, as the package holds them.
enum Reconciliation {
  static let silverTransactions = """
    select transaction_id, bank_id, side, customer_id, amount, currency, value_date,
      due_date, reference,
           coalesce(description, '') as description,
           upper(replace(replace(trim(reference), ' ', ''), '-', '')) as match_ref,
           case when due_date is null       then 'NoDue'
                when value_date > due_date  then 'Late'
                else 'OnTime' end as payment_status
    from {{ source('financial_transactions') }}
    """

  static let matches = """
    -- Exact auto-match on (amount, value date, reference). Duplicates pair by ordinal only when
    -- both sides
    -- have the same count; otherwise the group is AMBIGUOUS and left to a person.
    with ord as (
      select transaction_id, side, bank_id, currency, amount, value_date, match_ref,
             row_number() over (partition by bank_id, match_ref, currency, amount,
               value_date, side
                                order by transaction_id) as k,
             count(*) over (partition by bank_id, match_ref, currency, amount, value_date,
               side) as n
      from {{ ref('slv_transactions') }}
    )
    select b.transaction_id as bank_transaction_id, l.transaction_id as ledger_transaction_id,
           b.bank_id, b.match_ref, 'EXACT' as match_rule
    from ord b join ord l using (bank_id, match_ref, currency, amount, value_date, k, n)
    where b.side = 'BANK' and l.side = 'LEDGER'
    """

  static let exceptions = """
    -- First reason that applies, in the order Ambiguous, Date, Amount, Unmatched.
    select t.transaction_id, t.bank_id, t.match_ref,
      case
        when exists (select 1 from {{ ref('slv_transactions') }} o
          where o.bank_id = t.bank_id and o.match_ref = t.match_ref
                     and o.side <> t.side and o.currency = t.currency
                       and o.amount = t.amount and o.value_date = t.value_date)
                       then 'AMBIGUOUS'
        when exists (select 1 from {{ ref('slv_transactions') }} o
          where o.bank_id = t.bank_id and o.match_ref = t.match_ref
                     and o.side <> t.side and o.currency = t.currency and o.amount = t.amount
                     and abs(o.value_date - t.value_date) <= {{ var('date_tolerance_days')
                       }})                                 then 'DATE'
        when exists (select 1 from {{ ref('slv_transactions') }} o
          where o.bank_id = t.bank_id and o.match_ref = t.match_ref
                     and o.side <> t.side and o.currency = t.currency
                       and o.value_date = t.value_date)                          then 'AMOUNT'
        else 'UNMATCHED' end as exception_type
    from {{ ref('slv_transactions') }} t
    where not exists (select 1 from {{ ref('slv_matches') }} m
      where m.bank_id = t.bank_id and m.match_ref = t.match_ref
                      and t.transaction_id in (m.bank_transaction_id,
                        m.ledger_transaction_id))
    """

  static let audit = """
    with stage as (
      select transaction_id, stage,
        row_number() over (partition by transaction_id order by seq desc) as k
      from {{ ref('slv_lifecycle') }}
    ), aud as (
      select transaction_id, audit_id,
        row_number() over (partition by transaction_id order by at desc, audit_id desc) as k
      from {{ ref('slv_audit') }}
    )
    select t.transaction_id, t.bank_id, t.match_ref, t.amount,
      t.value_date as transaction_date, a.audit_id,
           coalesce(s.stage, 'pending') as lifecycle_stage,
           m.match_rule is not null as is_auto_matched,
           m.match_rule
    from {{ ref('slv_transactions') }} t
    left join stage s on s.transaction_id = t.transaction_id and s.k = 1
    left join aud   a on a.transaction_id = t.transaction_id and a.k = 1
    left join {{ ref('slv_matches') }} m on m.bank_id = t.bank_id
      and m.match_ref = t.match_ref
          and t.transaction_id in (m.bank_transaction_id, m.ledger_transaction_id)
    """

  static let rolling = """
    -- RANGE over day numbers, not ROWS: 29 PRECEDING rows is not 29 preceding days.
    with daily as (
      select customer_id, currency, value_date, sum(amount) as net
      from {{ ref('slv_transactions') }} where side = 'LEDGER'
      group by customer_id, currency, value_date
    )
    select customer_id, currency, value_date,
           sum(net) over (partition by customer_id, currency order by value_date
                          range between 29 preceding and current row) as rolling_30d
    from daily
    """

  static let streaks = """
    -- Gaps and islands: filtering to Late before LAG would count late payments with on-time ones
    -- between them.
    with p as (
      select customer_id, transaction_id, value_date, payment_status,
             row_number() over (partition by customer_id order by value_date, transaction_id)
           - row_number() over (partition by customer_id,
             payment_status order by value_date, transaction_id) as island
      from {{ ref('slv_transactions') }}
      where side = 'LEDGER' and payment_status <> 'NoDue'
    )
    select customer_id, island, min(value_date) as from_date, max(value_date) as to_date,
      count(*) as consecutive_late
    from p where payment_status = 'Late'
    group by customer_id, island having count(*) >= 2
    """

  static let stage = """
    select :transaction_id as transaction_id, coalesce(max(seq), 0) + 1 as seq, :stage as stage,
           consensus_time_ms() as at
    from {{ source('lifecycle_associations') }} where transaction_id = :transaction_id
    """

  static let report = """
    select f.transaction_id, b.name as bank_name, f.amount, f.transaction_date, f.match_rule
    from {{ ref('fct_transaction_audit') }} f join {{ ref('dim_bank') }} b using (bank_id)
    where f.is_auto_matched = 1 and f.bank_id = :bank_id
      and f.transaction_date between :from and :to
    order by f.transaction_date, f.transaction_id
    """

  static let map = """
    select t.bank_id, t.match_ref
    from {{ changed }} c join {{ ref('slv_transactions') }} t using (transaction_id)
    """

  static let rate = """
    select 1000000 * sum(is_auto_matched) / count(*) from {{ ref('fct_transaction_audit') }}
    """

  static let facts = TableShape(
    name: "fct_transaction_audit",
    columns: [
      ColumnShape(name: "transaction_id", type: .text), ColumnShape(name: "bank_id", type: .text),
      ColumnShape(name: "match_ref", type: .text),
      ColumnShape(name: "amount", type: Example.amount),
      ColumnShape(name: "transaction_date", type: .date),
      ColumnShape(name: "audit_id", type: .text, nullable: true),
      ColumnShape(name: "lifecycle_stage", type: .text),
      ColumnShape(name: "is_auto_matched", type: .bool),
      ColumnShape(name: "match_rule", type: .text, nullable: true),
    ], keys: [["transaction_id"]])

  static let banks = TableShape(
    name: "dim_bank",
    columns: [
      ColumnShape(name: "bank_id", type: .text), ColumnShape(name: "name", type: .text),
      ColumnShape(name: "country", type: .text),
      ColumnShape(name: "address", type: .text, nullable: true),
    ], keys: [["bank_id"]])

  static let catalog = Catalog(
    Example.catalog.entries + [
      .init(kind: .ref, name: "fct_transaction_audit", shape: facts),
      .init(kind: .ref, name: "dim_bank", shape: banks),
    ], changed: Example.stages)

  static func check(
    _ text: String, _ profile: Profile = .model, parameters: [(name: String, type: SQLType)] = []
  ) throws -> CheckedQuery {
    try SQL.check(
      try parse(SQLText(file: "model.sql", text: text)), catalog: catalog, profile: profile,
      parameters: parameters, vars: [(name: "date_tolerance_days", value: .integer(3))])
  }
}

@Suite struct `The whole worked example` {
  /// A model with a key that is proven, or none where only the engine can tell.
  static let models: [(text: String, key: [String]?)] = [
    (Reconciliation.silverTransactions, ["transaction_id"]),
    (Reconciliation.matches, ["bank_transaction_id"]),
    (Reconciliation.exceptions, ["transaction_id"]),
    (Reconciliation.audit, nil),
    (Reconciliation.rolling, ["customer_id", "currency", "value_date"]),
    (Reconciliation.streaks, ["customer_id", "island"]),
  ]

  @Test(arguments: models.indices)
  func `passes without a warning, its keys proven`(index: Int) throws {
    let model = Self.models[index]
    let checked = try Reconciliation.check(model.text)
    #expect(checked.warnings.isEmpty)
    #expect(checked.deterministic)
    #expect(checked.keys.isEmpty == (model.key == nil))
    if let key = model.key { #expect(checked.keys.contains(key)) }
    let printed = checked.print()
    // Nobody may write the meter's name; without it the text is what it was.
    let plain = SQLText(file: "p", text: printed.replacing("metered(", with: "("))
    let again = try SQL.check(
      try parse(plain, form: .adhoc), catalog: Reconciliation.catalog,
      profile: .adhoc)
    #expect(again.print() == printed)
  }

  @Test func `has procedures, queries, maps and metrics that pass`() throws {
    let stage = try Reconciliation.check(
      Reconciliation.stage, .procedure,
      parameters: [(name: "transaction_id", type: .text), (name: "stage", type: .text)])
    #expect(stage.keys == [[]])
    let report = try Reconciliation.check(
      Reconciliation.report, .query,
      parameters: [
        (name: "bank_id", type: .text), (name: "from", type: .date), (name: "to", type: .date),
      ])
    #expect(report.isTotallyOrdered)
    #expect(report.parameters == ["bank_id", "from", "to"])
    let map = try Reconciliation.check(Reconciliation.map)
    #expect(map.tables == ["slv_lifecycle", "slv_transactions"])
    #expect(try Reconciliation.check(Reconciliation.rate, .test).keys == [[]])
  }

  @Test func `restricts every source of the match by its refresh key`() throws {
    let printed = try Reconciliation.check(Reconciliation.matches).print { shape in
      shape.name == "slv_transactions" ? ["bank_id", "match_ref"] : nil
    }
    let restricted =
      "(SELECT * FROM \"slv_transactions\" WHERE \"bank_id\" = :refresh_bank_id "
      + "AND \"match_ref\" = :refresh_match_ref) AS \"slv_transactions\""
    #expect(printed.contains(restricted))
    #expect(printed.components("FROM \"slv_transactions\"") == 1)
  }

  @Test(arguments: 0..<300)
  func `cut and mixed with any bytes is refused or accepted, never a crash`(seed: UInt64) {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 7
    func draw(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(count))
    }
    var bytes = Array(Self.models[draw(Self.models.count)].text.utf8)
    for _ in 0..<(1 + draw(6)) {
      let place = draw(bytes.count)
      switch draw(3) {
      case 0: bytes[place] = UInt8(draw(256))
      case 1: bytes.insert(contentsOf: (0..<draw(9)).map { _ in UInt8(draw(256)) }, at: place)
      default: bytes.removeSubrange(place..<min(bytes.count, place + 1 + draw(20)))
      }
      if bytes.isEmpty { bytes = [65] }
    }
    let text = String(decoding: bytes, as: UTF8.self)
    do {
      let checked = try Reconciliation.check(text)
      #expect(!checked.print().isEmpty)
    } catch let error as Diagnostic {
      #expect(!error.message.isEmpty)
    } catch let errors as Diagnostics {
      #expect(!errors.list.isEmpty)
    } catch {
      Issue.record("an error of another kind: \(error)")
    }
  }
}

extension String {
  /// How often a part occurs.
  fileprivate func components(_ part: String) -> Int {
    var rest = Substring(self)
    var count = 0
    while let found = rest.firstRange(of: part) {
      count += 1
      rest = rest[found.upperBound...]
    }
    return count
  }
}
