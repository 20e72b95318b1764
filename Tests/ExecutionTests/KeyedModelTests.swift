import Certification
import Foundation
import Pipelines
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day,seen\n"

private var orders: Source {
  var source = Source.orders(onDuplicate: .upsertIfNewer, version: "seen")
  source.columns.append(SourceColumn(name: "seen", type: .int, required: true))
  return source
}

/// A model of orders by `by` with this key, and the same computed whole.
private func models(
  _ text: String, key: [String], by: [String], kind: Model.Kind = .incremental
) -> [Model] {
  let keyed = Model(
    name: "keyed", layer: .silver, kind: kind, primaryKey: key, refresh: Refresh(by: by),
    sql: sql(text))
  var whole = keyed
  whole.name = "whole"
  whole.kind = kind == .snapshot ? .snapshot : .full
  whole.refresh = nil
  return [keyed, whole]
}

private func subnet(_ models: [Model]) throws -> Subnet {
  let subnet = try Subnet()
  let receipt = try subnet.run(subnet.deploy(.shop(sources: [orders], models: models)))
  if case .refused(let refusal) = receipt.status { throw refusal }
  try subnet.fund()
  return subnet
}

private let oneCustomer = "select customer, id, amount from {{ source('orders') }}"

@Suite struct `A model whose primary key lacks its refresh key` {
  /// What the whole computation says of the same batches, and what the one by key says.
  private func outcomes(
    _ batches: [String], kind: Model.Kind
  ) throws -> (keyed: [String], whole: [String]) {
    let pair = models(oneCustomer, key: ["customer"], by: ["id"], kind: kind)
    let all = try pair.map { model -> [String] in
      let subnet = try subnet([model])
      return try batches.map { batch in
        let receipt = try subnet.run(subnet.ingest("orders", header + batch))
        let rows = try subnet.rows(model.name, columns: "customer, id, amount").sorted()
        guard case .refused(let refusal) = receipt.status else {
          return rows.joined(separator: " ")
        }
        // But for the name of the model.
        let message = refusal.message.drop { $0 != " " }
        return refusal.code + message + rows.joined(separator: " ")
      }
    }
    return (all[0], all[1])
  }

  @Test(arguments: [Model.Kind.incremental, .snapshot])
  func `refuses what the whole computation refuses, and takes what it takes`(
    kind: Model.Kind
  ) throws {
    let (keyed, whole) = try outcomes(
      [
        "a,anna,1.00,,1\n",
        // Another key holds anna already.
        "b,anna,2.00,,1\n",
        // Two keys of one batch come to one row; the first of them in order is told.
        "c,carl,1.00,,1\nd,carl,2.00,,1\ne,anna,2.00,,1\n",
        "f,finn,1.00,,1\ng,finn,2.00,,1\n",
        "b,ben,2.00,,1\n",
        // The rows of two keys change places; one moves to where another was.
        "a,ben,1.00,,2\nb,anna,2.00,,2\n",
        "a,zoe,1.00,,3\nc,ben,3.00,,3\n",
        "c,anna,3.00,,4\n",
      ], kind: kind)
    #expect(keyed == whole)
    let starts = ["anna", "QD09", "QD09", "QD09", "anna", "anna", "anna", "QD09"]
    #expect(keyed.map { String($0.prefix(4)) } == starts)
    #expect(keyed[2].contains("customer = 'anna'"))
  }

  @Test(arguments: [Model.Kind.incremental, .snapshot])
  func `comes to the same as the whole after random batches`(kind: Model.Kind) throws {
    var dice = Dice(5)
    let batches = (0..<60).map { round in
      (0...dice.roll(2)).map { _ in
        "o\(dice.roll(4)),c\(dice.roll(5)),\(dice.roll(3)).00,,\(round)\n"
      }.joined()
    }
    let (keyed, whole) = try outcomes(batches, kind: kind)
    #expect(keyed == whole)
    #expect(Set(keyed.map { $0.hasPrefix("QD09") }) == [true, false])
  }
}

@Suite struct `Random keyed models` {
  /// Statements that keep the key all the way, with their primary keys and refresh keys.
  private static let statements: [(text: String, key: [String], by: [String])] = [
    (
      "select id, customer, amount, row_number() over (partition by customer order by id) as nth "
        + "from {{ source('orders') }}", ["id"], ["customer"]
    ),
    (
      "select o.id, o.customer, (select count(*) from {{ source('orders') }} p "
        + "where p.customer = o.customer and p.amount >= o.amount) as place "
        + "from {{ source('orders') }} o", ["id"], ["customer"]
    ),
    (
      "with t as (select customer, sum(amount) as total from {{ source('orders') }} "
        + "group by customer) select o.id, o.customer, t.total from {{ source('orders') }} o "
        + "join t on t.customer = o.customer where t.total > 500", ["id"], ["customer"]
    ),
    (
      "select customer, 'small' as size, count(*) as orders from {{ source('orders') }} "
        + "where amount < 300 group by customer union all "
        + "select customer, 'large', count(*) from {{ source('orders') }} "
        + "where amount >= 300 group by customer", ["customer", "size"], ["customer"]
    ),
    ("select id, customer, amount from {{ source('orders') }}", ["id"], ["customer", "amount"]),
    (
      "select customer, amount, count(*) as orders, max(id) as last from {{ source('orders') }} "
        + "group by customer, amount", ["customer", "amount"], ["amount"]
    ),
  ]

  @Test(arguments: statements.indices)
  func `equal the whole after every batch`(index: Int) throws {
    let (text, key, by) = Self.statements[index]
    let subnet = try subnet(models(text, key: key, by: by))
    var dice = Dice(UInt64(index))
    for round in 0..<40 {
      let body = (0...dice.roll(6)).map { _ in
        "o\(dice.roll(12)),c\(dice.roll(4)),\(dice.roll(6)).00,,\(round)\n"
      }.joined()
      let receipt = try subnet.run(subnet.ingest("orders", header + body))
      #expect(receipt.status == .applied)
      #expect(
        try subnet.rows("keyed").sorted() == subnet.rows("whole").sorted(), "round \(round)")
    }
    #expect(try subnet.rows("keyed").count > 3)
  }

  @Test func `that mix keys are refused at the deploy`() throws {
    let text = "select id, row_number() over (order by id) as nth from {{ source('orders') }}"
    let subnet = try Subnet()
    let package = Package.shop(sources: [orders], models: models(text, key: ["id"], by: ["id"]))
    let receipt = try subnet.run(subnet.deploy(package))
    #expect(receipt.refusalCode == "SQL11")
  }
}
