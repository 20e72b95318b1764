import QuorateClient
import Synchronization
import Wire

/// A load on a cluster: so many requests under way at any time, the next when one has ended.
struct Load {
  let cluster: MeasuredCluster
  /// Requests under way.
  let width: Int
  /// Seconds.
  let seconds: Double

  /// What a load came to.
  struct Outcome {
    /// What the requests counted in all: calls, rows, answers.
    var done = 0
    var elapsed = 0.0
    /// Seconds of each request, ascending.
    var latencies: [Double] = []
    /// Shares of all the cores' time.
    var replicasShare = 0.0
    var clientShare = 0.0
    /// Processor seconds of all replicas by the name of the thread.
    var threads: [String: Double] = [:]
    /// Heights that were certified meanwhile.
    var blocks = 0.0

    var rate: Double { Double(done) / elapsed }
    func percentile(_ share: Double) -> Double {
      guard !latencies.isEmpty else { return .nan }
      return latencies[min(latencies.count - 1, Int(share * Double(latencies.count)))]
    }
    var note: String {
      "p50 \(span(percentile(0.5))), \(figure(blocks / elapsed)) blocks/s, processors: "
        + "replicas \(percent(replicasShare)), client \(percent(clientShare))"
    }
  }

  /// Requests that one client has under way at most; one with more waits for its connections.
  private static let widthOfOne = 32
  /// Seconds.
  private static let warmUp = 4.0

  /// - Parameter work: one request, by a client, with a number that no other has; gives what it
  ///   counts for.
  func run(
    cores: Int, _ work: @escaping @Sendable (Client, Int) async throws -> Int
  ) async throws -> Outcome {
    let count = max(1, (width + Self.widthOfOne - 1) / Self.widthOfOne)
    let clients = try (0..<count).map { _ in try cluster.client() }
    let numbers = Numbers()
    let watch = Stopwatch()
    var outcome = Outcome()
    // Each request under way has a connection of its own, and a handshake costs more than the
    // request: time counts once they are made.
    let warm = Self.warmUp
    let meter = cluster.meter
    async let begin = Self.begin(clients[0], meter, at: warm)
    let results = try await withThrowingTaskGroup(of: (Int, [Double]).self) { group in
      for worker in 0..<width {
        let client = clients[worker % count]
        group.addTask { [seconds] in
          var done = 0
          var latencies: [Double] = []
          while watch.seconds < warm + seconds {
            let begin = watch.seconds
            let count = try await work(client, numbers.next())
            guard watch.seconds >= warm else { continue }
            done += count
            latencies.append(watch.seconds - begin)
          }
          return (done, latencies)
        }
      }
      return try await group.reduce(into: [(Int, [Double])]()) { $0.append($1) }
    }
    outcome.elapsed = watch.seconds - warm
    let (before, threads, first) = try await begin
    let after = meter.work()
    outcome.threads = meter.threads().reduce(into: [:]) {
      $0[$1.key] = $1.value - (threads[$1.key] ?? 0)
    }
    outcome.done = results.map(\.0).reduce(0, +)
    outcome.latencies = results.flatMap(\.1).sorted()
    let all = outcome.elapsed * Double(cores)
    outcome.replicasShare = (after.replicas - before.replicas) / all
    outcome.clientShare = (after.client - before.client) / all
    outcome.blocks = Double(await Self.height(clients[0]).above(first))
    for client in clients { await client.close() }
    try cluster.checkAlive()
    return outcome
  }

  /// Work done and the height reached when the time begins to count.
  private static func begin(
    _ client: Client, _ meter: WorkMeter, at seconds: Double
  ) async throws -> (
    work: (replicas: Double, client: Double), threads: [String: Double], height: Height
  ) {
    try await Task.sleep(for: .seconds(seconds))
    return (meter.work(), meter.threads(), await height(client))
  }

  /// The highest height that a replica holds a certificate of.
  private static func height(_ client: Client) async -> Height {
    await client.statuses().map { _, answer in
      if case .success(let checked) = answer { checked.certificate?.height ?? 0 } else { 0 }
    }.max() ?? 0
  }
}

/// 1, 2, 3 and so on, each once.
private final class Numbers: Sendable {
  private let last = Atomic<Int>(0)
  func next() -> Int { last.wrappingAdd(1, ordering: .relaxed).newValue }
}
