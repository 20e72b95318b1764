import Certification
import Foundation
import Pipelines
import QuorateClient
import Signing
import Wire

/// What is measured through a real cluster and a real client, all on this machine.
struct ClusterBenchmarks {
  let limits: MachineLimits
  /// Seconds a figure.
  let seconds: Double
  let cluster: MeasuredCluster
  private var size: Int { cluster.size }
  private var quorum: Int { size - (size - 1) / 3 }
  private var cores: Double { Double(limits.cores) }

  init(limits: MachineLimits, seconds: Double, cluster: MeasuredCluster) {
    self.limits = limits
    self.seconds = seconds
    self.cluster = cluster
  }

  // MARK: Updates

  /// From handing in to the verified certificate, by one client about ten times a second.
  func latency() async throws {
    let client = try cluster.client()
    var latencies: [Double] = []
    let count = max(10, Int(seconds * 2 * 10))
    let begin = ContinuousClock.now
    for number in 0..<count {
      let watch = Stopwatch()
      _ = try await client.submit(Self.entries(number..<number + 1, key: "latency-\(number)"))
      latencies.append(watch.seconds)
      let next = begin + .milliseconds(100 * (number + 1))
      if ContinuousClock.now < next { try await Task.sleep(until: next, clock: .continuous) }
    }
    await client.close()
    try cluster.checkAlive()
    latencies.sort()
    let p50 = latencies[count / 2]
    let p99 = latencies[min(count - 1, count * 99 / 100)]
    // Three quorums of signatures at every replica, three durable records, five ways of a message.
    let signatures = 3 * Double(size * (quorum - 1)) * limits.verify / cores
    let least = signatures + 3 * limits.commit + 2.5 * MachineLimits.roundTrip
    Paper.say(
      Paper.Line(
        name: "update latency", replicas: size,
        figure: "p50 \(span(p50)), p99 \(span(p99))", share: least / p50,
        limit: "\(span(least)): signatures, 3 syncs, 5 messages in turn",
        note: "\(count) updates of one row, about 10 a second"))
  }

  /// Signed calls a second: the smallest update that there is, a transfer.
  func updates() async throws {
    let receiver = KeyPair.generate().publicKey
    let outcome = try await Load(cluster: cluster, width: 1_024, seconds: seconds).run(
      cores: limits.cores
    ) { client, number in
      _ = try await client.submit(
        Intention(pipeline: "", method: .transfer(to: receiver, 1), key: "transfer-\(number)"))
      return 1
    }
    let limit = cores / (Double(size) * limits.verify)
    Paper.say(
      Paper.Line(
        name: "signed calls", replicas: size, figure: "\(figure(outcome.rate)) calls/s",
        share: outcome.rate / limit,
        limit: "\(figure(limit)) calls/s: each caller's signature once a replica",
        note: outcome.note))
  }

  /// Rows a second into a bare source.
  func ingest(rows: Int) async throws {
    let width = rows >= 1_000 ? 16 : rows >= 100 ? 128 : 1_024
    // Apart from the rows of every other size.
    let first = rows * 1_000_000_000
    let outcome = try await Load(cluster: cluster, width: width, seconds: seconds).run(
      cores: limits.cores
    ) { client, number in
      let start = first + number * rows
      let certified = try await client.submit(
        Self.entries(start..<start + rows, key: "rows-\(rows)-\(number)"))
      let accepted = Int(certified.proof.receipt.tally.accepted)
      guard accepted == rows else {
        throw BenchmarkFailure("\(accepted) of \(rows) rows of a batch were accepted")
      }
      return rows
    }
    cluster.rowsTaken += outcome.done
    // A row is inserted once and hashed twice at every replica.
    let row = limits.insertedRow + 2 * limits.hash
    let limit = cores / (Double(size) * (limits.verify / Double(rows) + row))
    Paper.say(
      Paper.Line(
        name: "ingest, \(rows) a call", replicas: size,
        figure: "\(figure(outcome.rate)) rows/s, "
          + "\(figure(outcome.rate / Double(rows))) calls/s",
        share: outcome.rate / limit,
        limit: "\(figure(limit)) rows/s: signature, SQLite, 2 hashes a row",
        note: outcome.note))
  }

  private static func entries(_ numbers: Range<Int>, key: String) -> Intention {
    Intention(
      pipeline: MeasuredPipelines.bareName,
      method: .ingest(source: MeasuredPipelines.sourceName, format: .csv),
      body: MeasuredPipelines.rows(numbers), key: key)
  }

  // MARK: Queries

  /// Answers a second to a question for one row by its key.
  func queries(_ trust: Trust) async throws {
    let outcome = try await Load(cluster: cluster, width: 32, seconds: seconds).run(
      cores: limits.cores
    ) { client, number in
      let key = rowKey(number % MeasuredPipelines.ledgerRows)
      let answer = try await Self.answer(client, trust, key)
      guard answer.table.rows.count == 1 else {
        throw BenchmarkFailure("\(answer.table.rows.count) rows came for the key \(key)")
      }
      return 1
    }
    // What each side must do at least: messages, signatures made and checked, the row read.
    let one = MachineLimits.roundTripWork + limits.sign + 2 * limits.verify + limits.select
    let certificate = Double(quorum) * limits.verify
    let needed = Double((size - 1) / 3 + 1)
    let (least, words): (Double, String) =
      switch trust {
      case .replica: (one, "a round trip, 2 signatures")
      case .quorum:
        (
          needed * (one + MachineLimits.roundTripWork) + certificate,
          "\(Int(needed)) answers and a certificate"
        )
      case .certified: (one - limits.sign + certificate, "a round trip, a certificate")
      }
    Paper.say(
      Paper.Line(
        name: "queries, \(trust.name)", replicas: size,
        figure: "\(figure(outcome.rate)) answers/s", share: outcome.rate * least / cores,
        limit: "\(figure(cores / least)) answers/s: \(words)", note: outcome.note))
  }

  private static func answer(
    _ client: Client, _ trust: Trust, _ key: String
  ) async throws -> VerifiedAnswer {
    let pipeline = MeasuredPipelines.ledgerName
    let arguments = [Certification.Argument(name: "id", value: .text(key))]
    let question = QueryRequest.Question.named(MeasuredPipelines.queryName)
    switch trust {
    case .replica: return try await client.ask(question, of: pipeline, arguments: arguments)
    case .quorum: return try await client.agree(question, of: pipeline, arguments: arguments)
    case .certified:
      return try await client.rows(
        .key([.text(key)]), of: MeasuredPipelines.tableName, in: pipeline)
    }
  }

  // MARK: Memory

  /// Resident memory after all that was done before.
  func memory() throws {
    let bytes = try cluster.memory()
    let mean = bytes.reduce(0, +) / Double(bytes.count)
    let most = bytes.max() ?? 0
    func mega(_ bytes: Double) -> String { decimal(bytes / 1e6, 0) + " MB" }
    Paper.say(
      Paper.Line(
        name: "memory a replica", replicas: size,
        figure: "\(mega(mean)) on average, \(mega(most)) at most", share: most / 150e6,
        limit: "150 MB, what is allowed",
        note: "with \(figure(Double(cluster.rowsTaken))) rows taken since the start"))
  }
}
