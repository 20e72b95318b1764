import Certification
import Pipelines
import Signing
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"
private let day: UInt64 = 86_400_000

private func prepared(
  _ metrics: [Metric], source: Source = .orders(), more: [Model] = []
) throws -> Subnet {
  let subnet = try Subnet()
  let package = Package(
    name: "shop", version: "1", sources: [source],
    models: [
      Model(
        name: "copies", layer: .silver, kind: .view,
        sql: sql("select id, customer, amount, day from {{ source('orders') }}"))
    ] + more, metrics: metrics)
  let receipt = try subnet.run(subnet.deploy(package))
  if case .refused(let refusal) = receipt.status { throw refusal }
  try subnet.fund()
  return subnet
}

private func metric(_ name: String, _ select: String, unit: String = "", shown: Bool = true)
  -> Metric
{
  Metric(name: name, unit: unit, prometheus: shown, sql: sql(select))
}

@Suite struct `A metric of a package` {
  @Test func `is computed at the newest certified height, and only when rows changed`() throws {
    let subnet = try prepared([
      metric("orders", "select count(*) as n from {{ ref('copies') }}"),
      metric("revenue", "select sum(amount) as total from {{ ref('copies') }}", unit: "eur"),
      metric("hidden", "select count(*) as n from {{ ref('copies') }}", shown: false),
    ])
    try subnet.certify()
    let reader = subnet.executor.reader
    #expect(reader.metrics().readings.map(\.value) == ["0", nil])
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.25,\nb,ben,2.00,\n"))
    // Not certified yet, so not shown.
    #expect(reader.metrics().readings.map(\.value) == ["0", nil])
    try subnet.certify()
    let found = reader.metrics()
    #expect(found.readings.map(\.name) == ["orders", "revenue"])
    #expect(found.readings.map(\.value) == ["2", "3.25"])
    #expect(found.readings.map(\.unit) == ["", "eur"])
    let known = reader.knownMetrics(of: "shop")
    try subnet.execute([])
    try subnet.certify()
    #expect(reader.metrics().height > found.height)
    #expect(reader.knownMetrics(of: "shop").since == known.since)
  }

  @Test func `over a view of time is computed again when time alone has passed`() throws {
    let due = Model(
      name: "due", layer: .silver, kind: .view,
      sql: sql("select id from {{ ref('copies') }} where day <= consensus_date()"))
    let again = Model(
      name: "again", layer: .silver, kind: .view, sql: sql("select id from {{ ref('due') }}"))
    let subnet = try prepared(
      [metric("due_rows", "select count(*) as n from {{ ref('again') }}")], more: [due, again])
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.25,2026-01-02\n"))
    try subnet.certify()
    let reader = subnet.executor.reader
    #expect(reader.metrics().readings.map(\.value) == ["0"])
    let since = reader.knownMetrics(of: "shop").since
    try subnet.execute([], after: day)
    try subnet.certify()
    #expect(reader.metrics().readings.map(\.value) == ["1"])
    #expect(reader.knownMetrics(of: "shop").since == since)
  }

  @Test func `that fails is counted and stands in nobody's way`() throws {
    let subnet = try prepared([
      metric("many", "select 1 as n from {{ ref('copies') }}"),
      metric("orders", "select count(*) as n from {{ ref('copies') }}"),
      metric(
        "endless",
        """
        with recursive n(i) as (select 1 as i union all select i + 1 as i from n)
        select count(*) as n from n
        """),
    ])
    try subnet.run(subnet.ingest("orders", header + "a,anna,1,\nb,ben,2,\n"))
    try subnet.certify()
    for _ in 0..<2 {
      let found = subnet.executor.reader.metrics()
      #expect(found.readings.map(\.name) == ["endless", "many", "orders"])
      #expect(found.readings.map(\.value) == [nil, nil, "2"])
      // What is known to fail at this state is not tried again.
      #expect(found.readings.map(\.failures) == [1, 1, 0])
    }
  }

  /// `/metrics` shows the value as it is, under the names of all pipelines.
  @Test(arguments: [
    "max(j ->> '$.score')", "max(json_extract(j, '$.score'))", "max(id)",
    "cast(max(j ->> '$.score') as text)",
  ])
  func `that may be no number is refused`(value: String) throws {
    let source = Source(
      name: "scores",
      columns: [
        SourceColumn(name: "id", type: .text, required: true), SourceColumn(name: "j", type: .json),
      ], primaryKey: ["id"])
    func deploy(_ value: String) throws -> Receipt.Status {
      let package = Package(
        name: "shop", version: "1", sources: [source],
        models: [
          Model(
            name: "facts", layer: .silver, kind: .view,
            sql: sql("select id, j from {{ source('scores') }}"))
        ], metrics: [metric("worst", "select \(value) as x from {{ ref('facts') }}")])
      let subnet = try Subnet()
      return try subnet.run(subnet.deploy(package)).status
    }
    guard case .refused(let refusal) = try deploy(value) else {
      return #expect(Bool(false), "\(value) was taken")
    }
    #expect(refusal.message.contains("a metric is one number"), "\(refusal)")
    #expect(try deploy("max(cast(j ->> '$.score' as integer))") == .applied)
  }

  @Test func `is answered by name to whom it is shown`() throws {
    let subnet = try prepared([
      metric("orders", "select count(*) as n from {{ ref('copies') }}"),
      metric("hidden", "select count(*) as n from {{ ref('copies') }}", shown: false),
    ])
    try subnet.run(subnet.ingest("orders", header + "a,anna,1,\nb,ben,2,\n"))
    try subnet.certify()
    func ask(_ name: String, as caller: KeyPair?) throws -> ResultTable {
      try subnet.executor.reader.query(
        QueryRequest(
          subnet: subnet.genesis.subnet, pipeline: "shop", question: .named(name),
          trust: .quorum, caller: caller?.publicKey)
      ).result
    }
    let open = try ask("orders", as: nil)
    #expect(open.columns.map(\.name) == ["orders"])
    #expect(open.rows == [[.int(2)]])
    #expect(try ask("hidden", as: Subnet.owner).rows == [[.int(2)]])
    #expect(throws: Refusal.self) { try ask("hidden", as: nil) }
    #expect(throws: Refusal.self) { try ask("orderz", as: Subnet.owner) }
  }

  @Test func `of a personal column is not shown to everyone`() {
    let package = Package(
      name: "shop", version: "1", sources: [.orders(pii: .direct)],
      models: [
        Model(
          name: "copies", layer: .silver, kind: .view,
          sql: sql("select id, customer from {{ source('orders') }}"))
      ],
      metrics: [
        metric("people", "select count(distinct customer) as n from {{ ref('copies') }}")
      ])
    #expect(throws: PackageFaults.self) { try CheckedPackage(package) }
  }
}

@Suite struct `The progress of a source` {
  @Test func `is its watermark and when it last took a row`() throws {
    var source = Source.orders(
      eventTime: EventTime(column: "day", lateness: 2 * day, futureMax: nil, late: .quarantine))
    source.columns[3].required = true
    source.freshness = Pipelines.Freshness(warnAfter: day, errorAfter: 2 * day)
    let subnet = try prepared([], source: source)
    try subnet.certify()
    let before = try #require(subnet.executor.reader.metrics().progress.first?.source)
    #expect(before.watermark == nil)
    #expect(before.staleness(at: subnet.time) == nil)
    let taken = try subnet.run(subnet.ingest("orders", header + "a,anna,1,2026-01-10\n"))
    try subnet.run(subnet.ingest("orders", header + "a,anna,1,2026-01-10\n", key: "again"))
    try subnet.certify()
    let progress = try #require(
      subnet.executor.reader.catalog().pipelines.first?.progress.first)
    #expect(progress.source == "orders")
    #expect(progress.late == "quarantine")
    // 2026-01-08
    #expect(progress.watermark == 1_767_830_400_000)
    #expect(progress.acceptedAt == taken.time)
    let ages: [UInt64] = [0, day, day + 1, 2 * day + 1]
    #expect(
      ages.map { progress.staleness(at: taken.time.advanced(by: $0)) }
        == [.fresh, .fresh, .warn, .error])
    #expect(try SourceProgress(canonicalBytes: progress.canonicalBytes) == progress)
  }
}
