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
  /// A VDBE step in the median, as measured on its own: 33 ns.
  private static let step = 33e-9

  /// What receipts say of batches, summed.
  private struct Work {
    var rows = 0
    var held = 0
    var usage = Usage()
  }

  func run() async throws {
    try await deploy()
    let work = Mutex(Work())
    let before = cluster.meter.threads()
    let outcome = try await Load(cluster: cluster, width: 16, seconds: seconds).run(
      cores: limits.cores
    ) { client, number in
      let feed = FeedGenerator(seed: UInt64(number), rows: Self.rows, prefix: "n\(number)-")
      let certified = try await client.submit(
        Self.batch(feed.transactions.source, feed.transactions.csv, key: "bank-\(number)"))
      let receipt = certified.proof.receipt
      work.withLock {
        $0.rows += Int(receipt.tally.accepted)
        $0.held += Int(receipt.tally.quarantined)
        $0.usage += receipt.usage
      }
      return Int(receipt.tally.accepted)
    }
    let after = cluster.meter.threads()
    cluster.rowsTaken += outcome.done
    say(outcome, work.withLock { $0 }, after.merging(before) { $0 - $1 })
  }

  /// - Parameter threads: processor seconds of all replicas by thread, warming up included.
  private func say(_ outcome: Load.Outcome, _ work: Work, _ threads: [String: Double]) {
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
        limit: "\(figure(limit)) rows/s: \(figure(steps)) steps, \(decimal(written, 1)) rows "
          + "written, \(decimal(hashes, 1)) hashes a row",
        note: outcome.note))
    let all = threads.values.reduce(0, +)
    guard all > 0 else { return }
    let trie = Double(work.usage.hashes) * limits.hash * size
    let execution = threads["executor"] ?? 0
    func share(_ names: [String]) -> String {
      percent(names.reduce(0) { $0 + (threads[$1] ?? 0) } / all)
    }
    let named = ["executor", "peer-verifier", "client-verifier", "proposals", "core"]
    let rest = threads.keys.filter { !named.contains($0) }
    Paper.say(
      Paper.Line(
        name: "  of the replicas' time", replicas: cluster.size,
        figure: "SQLite, contracts, models \(percent((execution - trie) / all))",
        share: execution / all, limit: "all that the executor's thread does",
        note: "state trie \(percent(trie / all)), signatures "
          + "\(share(["peer-verifier", "client-verifier", "proposals"])), consensus and journal "
          + "\(share(["core"])), links, gateway and reads \(share(rest))"))
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
