import Foundation
import Metering
import Pipelines
import QuorateClient
import Synchronization
import Wire

/// The worked example through a real cluster: contracts, all layers, tests and proofs.
struct BankBenchmark {
  let limits: MachineLimits
  let seconds: Double
  let cluster: MeasuredCluster
  private static let name = "bank_reconciliation"
  /// Lines of a batch, about.
  private static let rows = 250
  /// A VDBE step in the median of ordinary work, as measured on its own beforehand: 33 ns.
  private static let step = 33e-9

  /// What receipts say of batches, summed.
  private struct Work {
    var rows = 0
    var usage = Usage()
  }

  func run() async throws {
    try await deploy()
    let work = Mutex(Work())
    let outcome = try await Load(cluster: cluster, width: 16, seconds: seconds).run(
      cores: limits.cores
    ) { client, number in
      let feed = FeedGenerator(seed: UInt64(number), rows: Self.rows, prefix: "n\(number)-")
      let certified = try await client.submit(
        Self.batch(feed.transactions.source, feed.transactions.csv, key: "bank-\(number)"))
      let receipt = certified.proof.receipt
      work.withLock {
        $0.rows += Int(receipt.tally.accepted)
        $0.usage += receipt.usage
      }
      return Int(receipt.tally.accepted)
    }
    cluster.rowsTaken += outcome.done
    say(outcome, work.withLock { $0 })
  }

  private func say(_ outcome: Load.Outcome, _ work: Work) {
    let rows = Double(max(1, work.rows))
    let steps = Double(work.usage.steps) / rows
    let hashes = Double(work.usage.hashes) / rows
    let written = Double(work.usage.rowsWritten) / rows
    let size = Double(cluster.size)
    let least = steps * Self.step + hashes * limits.hash + written * limits.insertedRow
    let limit = Double(limits.cores) / (size * least)
    Paper.say(
      Paper.Line(
        name: "bank feed, \(Self.rows) a call", replicas: cluster.size,
        figure: "\(figure(outcome.rate)) rows/s", share: outcome.rate / limit,
        limit:
          "\(figure(limit)) rows/s: \(figure(steps)) steps of 33 ns, \(decimal(written, 1)) rows "
          + "written, \(decimal(hashes, 1)) hashes a row",
        note: outcome.note))
    let all = outcome.threads.values.reduce(0, +)
    guard all > 0 else { return }
    func share(_ isPart: (String) -> Bool) -> Double {
      outcome.threads.reduce(0) { $0 + (isPart($1.key) ? $1.value : 0) } / all
    }
    let (executor, core) = (share { $0 == "executor" }, share { $0 == "core" })
    let verifiers = share { $0.hasSuffix("verifier") || $0 == "proposals" }
    let trie = Double(outcome.done) * hashes * limits.hash * size / all
    // Two votes and a state share of every other replica a block, at every replica: reckoned from
    // the time of one, which was measured by itself.
    let votes = outcome.blocks * size * 3 * (size - 1) * limits.verify / all
    Paper.say(
      Paper.Line(
        name: "  of the replicas' time", replicas: cluster.size,
        figure: "SQLite, contracts, models \(percent(executor - trie))", share: executor,
        limit: "the executor's thread; of it the state trie \(percent(trie))",
        note: "signatures of calls \(percent(verifiers)), consensus and journal "
          + "\(percent(core)), of it votes' signatures about \(percent(min(votes, core))), links, "
          + "gateway, reads "
          + percent(1 - executor - core - verifiers)))
  }

  private func deploy() async throws {
    let home = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let package = try PackageReader.read(
      directory: home.appending(path: "deploy/pipelines/bank-reconciliation").path)
    let client = try cluster.client()
    _ = try await client.submit(
      Intention(
        pipeline: Self.name, method: .deploy, body: package.canonicalBytes, key: "deploy-bank",
        stepLimit: 50_000_000))
    _ = try await client.submit(
      Intention(
        pipeline: Self.name, method: .topUp(10_000_000_000_000_000), key: "cycles-bank"))
    let banks = FeedGenerator(seed: 1, rows: 2).institutions
    _ = try await client.submit(Self.batch(banks.source, banks.csv, key: "banks"))
    await client.close()
  }

  private static func batch(_ source: String, _ body: [UInt8], key: String) -> Intention {
    Intention(
      pipeline: name, method: .ingest(source: source, format: .csv), body: body, key: key,
      stepLimit: 20_000_000)
  }
}
