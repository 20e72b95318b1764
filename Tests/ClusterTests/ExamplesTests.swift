import Certification
import Foundation
import GatewayFixture
import Metering
import Pipelines
import Testing
import Wire

@testable import QuorateClient

/// A file of rows for one source, and what becomes of them.
private struct Feed: Sendable {
  let source: String
  /// In the example's folder.
  let file: String
  var options: [String] = []
  let says: String
}

/// An example with rows for it, and a named query with its answer.
private struct Example: Sendable {
  let folder: String
  let feeds: [Feed]
  let question: [String]
  let answer: String

  var name: String { folder.replacing("-", with: "_") }
}

private let bank = Example(
  folder: "bank-reconciliation",
  feeds: [
    Feed(
      source: "financial_institutions", file: "feeds/financial_institutions.csv",
      says: "  6 accepted\n"),
    Feed(
      source: "financial_transactions", file: "feeds/financial_transactions.csv",
      options: ["--batch", "100", "--in-flight", "1"],
      says: "  294 accepted, 4 quarantined, 4 duplicates, "),
    Feed(
      source: "lifecycle_associations", file: "feeds/lifecycle_associations.csv",
      says: "  244 accepted\n"),
    Feed(source: "audit_logs", file: "feeds/audit_logs.csv", says: "  43 accepted\n"),
  ], question: ["match_summary"],
  answer: """
    bank_id,lines,matched
    B01,48,42
    B02,50,46
    B03,54,48
    B04,44,36
    B05,53,42
    B06,45,44

    """)

private let berka = Example(
  folder: "berka",
  feeds: [
    Feed(source: "transactions", file: "tests/movements.csv", says: "  5 accepted\n"),
    Feed(source: "districts", file: "tests/districts.csv", says: "  2 accepted\n"),
  ], question: ["account_sums"], answer: "account_id,balance\n7,700.00\n8,9.99\n")

private let deliveries = Example(
  folder: "delivery-tracking",
  feeds: [
    Feed(source: "deliveries", file: "feeds/deliveries.csv", says: "  40 accepted\n"),
    Feed(
      source: "positions", file: "feeds/positions.csv",
      options: ["--batch", "40", "--in-flight", "1"],
      says: "  313 accepted, 4 quarantined, 1 dropped, 39 duplicates, 22 late\n"),
    Feed(
      source: "costs", file: "feeds/costs.csv", options: ["--batch", "20"],
      says: "  40 accepted, 1 quarantined, 1 late\n"),
    Feed(source: "deliveries", file: "feeds/deliveries_2.csv", says: "recheck positions, 2 rows"),
  ], question: ["track", "--arg", "delivery_id=d001"],
  answer: """
    status,last_position,contiguous_position,missing,last_at,promised_at,is_on_time
    DELIVERED,6,6,0,2024-03-02T15:15:00.000Z,2024-03-02T16:00:00.000Z,true

    """)

private let features = Example(
  folder: "feature-store",
  feeds: [
    Feed(source: "profiles", file: "feeds/profiles_1.csv", says: "  20 accepted\n"),
    Feed(source: "payments", file: "feeds/payments.csv", says: "  120 accepted, 1 quarantined, "),
    Feed(
      source: "profiles", file: "feeds/profiles_2.csv",
      says: "  5 accepted, 1 quarantined, 16 duplicates\n"),
    Feed(source: "labels", file: "feeds/labels_before.csv", says: "  2 quarantined\n"),
    Feed(source: "events", file: "feeds/events_before.csv", says: "recheck labels, 2 rows"),
  ], question: ["features_of", "--arg", "event_id=old1"],
  answer: """
    event_at,is_known,plan,region,credit_limit,payments_total,payments_30d,failed_30d,amount_30d
    2024-01-15T00:00:00.000Z,false,UNKNOWN,,,0,0,0,0.00

    """)

private let customers = Example(
  folder: "master-data",
  feeds: [
    Feed(source: "links", file: "feeds/links.csv", says: "  105 accepted\n"),
    Feed(
      source: "crm_customers", file: "feeds/crm_1.csv",
      says: "  49 accepted, 1 quarantined, 1 dropped, 1 duplicate\n"),
    Feed(source: "billing_accounts", file: "feeds/billing_1.csv", says: "  31 accepted\n"),
    Feed(source: "shop_users", file: "feeds/shop_1.csv", says: "dim_customer.unique(email), 1 row"),
    Feed(
      source: "crm_customers", file: "feeds/crm_2.csv", says: "  3 accepted, 46 duplicates\n"),
    Feed(source: "billing_accounts", file: "feeds/billing_2.csv", says: "  1 accepted\n"),
  ], question: ["customer", "--arg", "customer_id=c1"],
  answer: """
    customer_id,email,email_source,phone,phone_source,country,city,segment,credit_limit,\
    is_blocked,marketing_ok,sources
    c1,c1@shop.example,shop,+008411,shop,DE,City 4,BUSINESS,0.00,false,true,"crm,shop"

    """)

/// One subnet of four processes and two administrators takes all of it, one after the other.
@Suite(.serialized, .enabled(if: Program.url != nil, "the program was not built"))
struct `Four processes with all five examples` {
  private static let examples = [bank, berka, deliveries, features, customers]

  @Test(.timeLimit(.minutes(10)))
  func `take their rows, answer, tell metrics, plan changes at their price, and change prices`()
    async throws
  {
    let cluster = try ProcessCluster(size: 4, administrators: ["second"])
    try cluster.startAll()
    _ = try await cluster.transfer("ready")
    let home = try packages(cluster)
    for example in Self.examples {
      let folder = home.appending(path: example.folder)
      try deploy(folder, cluster)
    }
    for example in Self.examples {
      let folder = home.appending(path: example.folder)
      for feed in example.feeds { try ingest(feed, of: example, in: folder, cluster) }
    }
    for example in Self.examples { try answers(example, cluster) }
    try await tellsItsRate(cluster)
    let folder = home.appending(path: bank.folder)
    try await PlannedChanges(cluster: cluster, folder: folder).run()
    try checks(bank.name, cluster)
    try await changesPrices(cluster)
  }

  // MARK: The examples

  /// Copies of the examples. Their rows lie in 2026, and a test's clock may be earlier: all of
  /// them are two years older here.
  private func packages(_ cluster: ProcessCluster) throws -> URL {
    let manager = FileManager.default
    let home = cluster.folder.appending(path: "examples")
    try manager.copyItem(at: Program.home.appending(path: "deploy/pipelines"), to: home)
    for example in Self.examples {
      let feeds = home.appending(path: "\(example.folder)/feeds")
      guard manager.fileExists(atPath: feeds.path) else { continue }
      for name in try manager.contentsOfDirectory(atPath: feeds.path) {
        let file = feeds.appending(path: name)
        let text = try String(contentsOf: file, encoding: .utf8)
        try text.replacing("2026-", with: "2024-")
          .write(to: file, atomically: true, encoding: .utf8)
      }
    }
    let feeds = home.appending(path: "\(bank.folder)/feeds").path
    let fed = try cluster.quorate("feed", feeds, "--rows", "300", "--seed", "7")
    try #require(fed.status == 0, "\(fed)")
    return home
  }

  private func deploy(_ folder: URL, _ cluster: ProcessCluster) throws {
    let ended = try cluster.quorate("pipeline", "deploy", folder.path, "--cycles", "20T")
    try #require(ended.status == 0, "\(ended)")
    #expect(ended.output.contains("its account holds 20.00 T cycles"), "\(ended)")
  }

  private func ingest(
    _ feed: Feed, of example: Example, in folder: URL, _ cluster: ProcessCluster
  ) throws {
    let file = folder.appending(path: feed.file).path
    let ended = try cluster.quorate(
      "ingest", example.name, feed.source, file, more: feed.options)
    try #require(ended.status == 0, "\(ended)")
    #expect(ended.output.contains(feed.says), "\(feed.file): \(ended)")
  }

  private func answers(_ example: Example, _ cluster: ProcessCluster) throws {
    let ended = try cluster.quorate(
      "query", example.name, more: example.question + ["--fresh", "--format", "csv"])
    #expect(ended.status == 0 && ended.output == example.answer, "\(example.name): \(ended)")
    try checks(example.name, cluster)
  }

  /// Every model is what it is when it is computed whole, and some have rows.
  private func checks(_ name: String, _ cluster: ProcessCluster) throws {
    let ended = try cluster.quorate("pipeline", "check", name, "--json")
    #expect(ended.status == 0, "\(ended)")
    let models = try JSONDecoder().decode([[String: String]].self, from: Data(ended.output.utf8))
    #expect(models.contains { $0["rows"] != "0" }, "\(ended)")
    for model in models {
      let found = ["missing", "extra", "different"].map { model[$0] }
      #expect(found == ["0", "0", "0"], "\(name): \(model)")
    }
  }

  // MARK: Metrics

  /// The share of lines that found their pair, on each replica's `/metrics`.
  private func tellsItsRate(_ cluster: ProcessCluster) async throws {
    let rows = bank.answer.split(separator: "\n").dropFirst().map { line in
      line.split(separator: ",").compactMap { Int($0) }
    }
    let (lines, matched) = rows.reduce((0, 0)) { ($0.0 + $1[0], $0.1 + $1[1]) }
    let line =
      "quorate_metric_auto_match_rate_ppm{metric=\"auto_match_rate\","
      + "pipeline=\"bank_reconciliation\"} \(1_000_000 * matched / lines)"
    for member in cluster.network.members {
      try await eventually("\(member.id) saying \(line)") {
        let reply = try await cluster.client.exchange(
          HTTPAsk(method: .GET, target: "/metrics"), with: member.id)
        return String(decoding: reply.body, as: UTF8.self).split(separator: "\n")
          .contains(Substring(line))
      }
    }
  }

  // MARK: Prices

  private func changesPrices(_ cluster: ProcessCluster) async throws {
    let old = try await cluster.client.prices().table
    let change = "update-base=50000000"
    let clerk = try cluster.quorate("identity", "new", "clerk")
    #expect(clerk.status == 0)
    let stranger = try cluster.quorate("cycles", "change-prices", change, "--as", "clerk")
    #expect(stranger.status == 1 && stranger.errors.contains("sign with the key of one"))

    let first = try cluster.quorate("cycles", "change-prices", change, "--as", "operator")
    #expect(first.status == 0, "\(first)")
    #expect(
      first.output.contains(
        "Proposed by 1 of 2 administrators that it takes: \(change) (was 5000000)"), "\(first)")
    try await prices(cluster, say: "proposes version 2: \(change) (was 5000000); 2 administrators")
    let before = try await district(70, cluster)
    #expect(before.charged == old.update(before.usage))

    let second = try cluster.quorate("cycles", "change-prices", change, "--as", "second")
    #expect(second.status == 0, "\(second)")
    #expect(second.output.contains("In force: \(change) (was 5000000)"), "\(second)")
    try await prices(cluster, say: "standard 2, for 4 replicas")
    let new = try #require(old.changed(["update-base": 50_000_000]))
    let after = try await district(71, cluster)
    #expect(after.charged == new.update(after.usage))
    #expect(after.charged.number > before.charged.number + 13_000_000)
  }

  /// Waits until two replicas that are asked say so.
  private func prices(_ cluster: ProcessCluster, say words: String) async throws {
    try await eventually("prices that say \(words)") {
      try cluster.quorate("cycles", "prices").output.contains(words)
    }
  }

  /// One more row of one size, as an update.
  private func district(_ number: Int, _ cluster: ProcessCluster) async throws -> Receipt {
    let header = (1...16).map { "A\($0)" }.joined(separator: ";")
    let row = "\(number);\"Jesenik\";\"north Moravia\";42821;4;13;5;1;3;48.4;8173;?;7.01;124;?;1358"
    let certified = try await cluster.client.submit(
      Intention(
        pipeline: berka.name, method: .ingest(source: "districts", format: .csv),
        body: Array("\(header)\n\(row)\n".utf8), key: "district-\(number)"))
    return certified.proof.receipt
  }
}
