import ArgumentParser
import Certification
import Foundation

/// Measures Quorate and prints each figure beside the limit that physics sets on this machine.
/// Nothing here passes or fails by time; the exit status tells only whether all figures came.
@main
struct Benchmarks: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "benchmarks",
    abstract: "Figures of this build on this machine, each beside its limit.",
    discussion: """
      Built with the release build of everything else; then, for example:

        .build/release/benchmarks --quick
        .build/release/benchmarks --only ingest --replicas 13 --seconds 10

      Those of a cluster start 'quorate' beside this program, one process a replica, on free ports
      and in a temporary folder, and end and remove all of it.
      """)

  enum Name: String, CaseIterable, ExpressibleByArgument {
    case consensus, trie, simulation, latency, updates, ingest, bank, queries, memory
    var needsCluster: Bool {
      [.latency, .updates, .ingest, .bank, .queries, .memory].contains(self)
    }
  }

  @Option(help: "Only this one; more than once for several.") var only: [Name] = []
  @Option(help: "How many replicas, separated by commas.") var replicas = "4,13"
  @Option(help: "Seconds for each figure.") var seconds: Double?
  @Flag(help: "4 replicas and a second for each figure.") var quick = false
  @Option(help: "The 'quorate' to run; else the one beside this program.") var program: String?

  func validate() throws {
    _ = try sizes()
    guard (seconds ?? 1) > 0, (seconds ?? 1) <= 600 else {
      throw ValidationError("--seconds is above 0 and at most 600.")
    }
  }

  private func sizes() throws -> [Int] {
    if quick { return [4] }
    let parts = replicas.split(separator: ",")
    let sizes = parts.compactMap { Int($0) }
    guard !sizes.isEmpty, sizes.count == parts.count, sizes.allSatisfy({ (4...64).contains($0) })
    else { throw ValidationError("--replicas takes numbers from 4 to 64, such as 4,13.") }
    return sizes
  }

  private func wants(_ name: Name) -> Bool { only.isEmpty || only.contains(name) }
  private var perFigure: Double { seconds ?? (quick ? 1 : 4) }

  func run() async throws {
    Leftovers.clearWhenInterrupted()
    defer { Leftovers.clear() }
    let limits = try MachineLimits.alone()
    let shared = try MachineLimits.together()
    Paper.say("This machine, measured now, \(limits.cores) cores.")
    Paper.say(limits.line("One core alone"))
    Paper.say(shared.line("Each of all at once"))
    Paper.say("")
    Paper.head()
    var isWhole = true
    let alone = CoreBenchmarks(limits: limits, seconds: perFigure)
    for size in try sizes() where wants(.consensus) {
      isWhole = attempt("consensus", size) { try alone.consensus(size) } && isWhole
    }
    if wants(.trie) { alone.trie() }
    for size in try sizes() where wants(.simulation) {
      isWhole = attempt("simulation", size) { try alone.simulation(size) } && isWhole
    }
    for size in try sizes() where Name.allCases.contains(where: { $0.needsCluster && wants($0) }) {
      isWhole = await measureCluster(size, shared) && isWhole
    }
    if !isWhole {
      Leftovers.clear()
      throw ExitCode(1)
    }
  }

  private func measureCluster(_ size: Int, _ limits: MachineLimits) async -> Bool {
    do {
      let cluster = try await MeasuredCluster(size: size, program: try programFile())
      defer { cluster.end() }
      try await cluster.deploy()
      return await measure(cluster, limits)
    } catch {
      Paper.failed("cluster", size, error)
      return false
    }
  }

  private func measure(_ cluster: MeasuredCluster, _ limits: MachineLimits) async -> Bool {
    let all = ClusterBenchmarks(limits: limits, seconds: perFigure, cluster: cluster)
    let size = cluster.size
    var isWhole = true
    if wants(.latency) {
      isWhole = await attempt("update latency", size) { try await all.latency() } && isWhole
    }
    if wants(.updates) {
      isWhole = await attempt("signed calls", size) { try await all.updates() } && isWhole
    }
    for rows in [1, 10, 100, 1_000] where wants(.ingest) {
      let name = "ingest, \(rows) a call"
      isWhole = await attempt(name, size) { try await all.ingest(rows: rows) } && isWhole
    }
    if wants(.bank) {
      let bank = BankBenchmark(limits: limits, seconds: perFigure, cluster: cluster)
      isWhole = await attempt("bank feed", size) { try await bank.run() } && isWhole
    }
    for trust in Trust.allCases where wants(.queries) {
      let name = "queries, \(trust.name)"
      isWhole = await attempt(name, size) { try await all.queries(trust) } && isWhole
    }
    if wants(.memory) {
      isWhole = attempt("memory a replica", size) { try all.memory() } && isWhole
    }
    return isWhole
  }

  private func programFile() throws -> URL {
    let file =
      program.map { URL(filePath: $0) }
      ?? URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
      .deletingLastPathComponent().appending(path: "quorate")
    guard FileManager.default.isExecutableFile(atPath: file.path) else {
      throw BenchmarkFailure(
        "there is no program \(file.path): build everything, or name it with --program")
    }
    return file
  }

  private func attempt(_ name: String, _ size: Int, _ body: () throws -> Void) -> Bool {
    do {
      try body()
      return true
    } catch {
      Paper.failed(name, size, error)
      return false
    }
  }

  private func attempt(
    _ name: String, _ size: Int, _ body: () async throws -> Void
  ) async -> Bool {
    do {
      try await body()
      return true
    } catch {
      Paper.failed(name, size, error)
      return false
    }
  }
}
