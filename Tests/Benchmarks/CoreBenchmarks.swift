import Certification
import Foundation
import Signing
import Simulator
import Wire

/// What one process measures alone, on one core.
struct CoreBenchmarks {
  let limits: MachineLimits
  /// Seconds a figure.
  let seconds: Double

  // MARK: Consensus only

  /// Blocks, votes and calls a second of cores in memory.
  func consensus(_ size: Int) throws {
    for real in [false, true] {
      for load in [1, 500] {
        let (counts, elapsed) = try ordered(size, real: real, load: load)
        Paper.say(line(size, real: real, load: load, counts, elapsed))
      }
    }
  }

  private func ordered(
    _ size: Int, real: Bool, load: Int
  ) throws -> (CoreSubnet.Counts, Double) {
    var subnet = CoreSubnet(size: size, real: real)
    try subnet.prepare(load * 64)
    while subnet.counts.blocks < 8 {
      guard subnet.counts.rounds < 10_000 else {
        throw BenchmarkFailure("no block was finalized within 10,000 rounds")
      }
      advance(&subnet, load)
    }
    let before = subnet.counts
    var elapsed = 0.0
    while elapsed < seconds {
      try subnet.prepare(load * 64)
      let watch = Stopwatch()
      while subnet.preparedCount >= load, watch.seconds < seconds { advance(&subnet, load) }
      elapsed += watch.seconds
    }
    return (subnet.counts - before, elapsed)
  }

  /// One round, with calls for about every block.
  private func advance(_ subnet: inout CoreSubnet, _ load: Int) {
    if subnet.backlog < 4 * load { subnet.give(load) }
    subnet.round()
  }

  private func line(
    _ size: Int, real: Bool, load: Int, _ counts: CoreSubnet.Counts, _ elapsed: Double
  ) -> Paper.Line {
    let blocks = Double(counts.blocks) / elapsed
    let votes = Double(counts.votes) / elapsed
    let calls = Double(counts.calls) / elapsed
    let deliveries = Double(counts.deliveries) / elapsed
    var line = Paper.Line(
      name: "consensus, \(real ? "Ed25519" : "mock")", replicas: size,
      figure: "\(figure(blocks)) blocks/s, \(figure(votes)) votes/s",
      share: deliveries / 300_000, limit: "300,000 deliveries/s, the simulator's aim")
    line.note = "\(figure(calls)) calls/s ordered, \(figure(deliveries)) deliveries/s, one core"
    // What a block costs at least: a vote, a finalize and a state share of each replica, and of a
    // quorum checked by each; a call: its digest hashed as part of the header by each.
    let quorum = size - (size - 1) / 3
    let signed = 3 * Double(size) * (Double(quorum - 1) * limits.verify + limits.sign)
    if load > 1 {
      let each = Double(size) * limits.hash / 2
      let least = real ? each + signed * Double(counts.blocks) / Double(counts.calls) : each
      line.name += ", \(load) calls"
      line.figure = "\(figure(calls)) calls/s, \(figure(blocks)) blocks/s"
      line.note = "\(figure(votes)) votes/s, one core, bodies and callers' signatures elsewhere"
      line.share = calls * least
      line.limit =
        "\(figure(1 / least)) calls/s: a digest hashed once a replica"
        + (real ? ", signatures" : "")
    } else if real {
      line.share = blocks * signed
      line.limit = "\(figure(1 / signed)) blocks/s: 3 quorums of signatures a block and replica"
    }
    return line
  }

  // MARK: The state trie

  func trie() {
    let rows = 1_000
    var appended = StateTrie()
    var count = 0
    measureTrie("trie, appended keys", rows, &appended) {
      let first = count
      count += rows
      return (first..<count).map { number in
        TrieChange(key: Array(rowKey(number).utf8), row: sha256(number))
      }
    }
    let present = 200_000
    var random = StateTrie()
    var state: UInt64 = 1
    func changes(_ count: Int) -> [TrieChange] {
      var keys: [UInt64] = []
      for _ in 0..<count {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        keys.append((state >> 20) ^ (state << 44))
      }
      return Set(keys).sorted().map { word in
        TrieChange(
          key: withUnsafeBytes(of: word.bigEndian) { Array($0) },
          row: sha256(Int(truncatingIfNeeded: word)))
      }
    }
    random.apply(changes(present))
    measureTrie("trie, random keys", 100, &random) { changes(100) }
  }

  /// Applies batches until the time is over; making them is not part of it.
  private func measureTrie(
    _ name: String, _ rows: Int, _ trie: inout StateTrie, batch: () -> [TrieChange]
  ) {
    var elapsed = 0.0
    var changed = 0
    var hashes: UInt64 = 0
    var height: Height = 0
    let wall = Stopwatch()
    while wall.seconds < seconds {
      let changes = batch()
      let watch = Stopwatch()
      hashes += trie.apply(changes)
      height = height.next
      trie.seal(height)
      elapsed += watch.seconds
      changed += changes.count
    }
    let each = Double(hashes) / Double(changed)
    var line = Paper.Line(
      name: name, figure: "\(figure(Double(changed) / elapsed)) rows/s in batches of \(rows)",
      share: Double(hashes) * limits.hash / elapsed,
      limit: "\(figure(1 / (each * limits.hash))) rows/s: \(decimal(each, 1)) hashes a row")
    line.note = "\(trie.nodeCount) nodes at the end"
    Paper.say(line)
  }

  private func sha256(_ number: Int) -> Digest {
    Signing.sha256(withUnsafeBytes(of: number.bigEndian) { Array($0) })
  }

  // MARK: The simulator

  /// Simulated seconds a second: calm and idle, then random runs with faults, SQL and reads.
  func simulation(_ size: Int) throws {
    var calm = Scenario(title: "Calm and idle")
    calm.cluster.replicas = size
    calm.cluster.seed = 1
    try simulate("simulation, idle", size, aim: 1_000) { _ in
      // Long enough that the start does not count, short enough to stop near the time asked for.
      var story = calm
      story.cluster.duration = .seconds(60)
      var options = RunOptions()
      story.cluster.execution = .digests
      options.reads = false
      options.decodesPPM = 10_000
      return (story, options)
    }
    try simulate("simulation, faults and SQL", size, aim: nil) { seed in
      (Scenario.random(seed: seed, replicas: size, duration: .seconds(8)), RunOptions())
    }
  }

  private func simulate(
    _ name: String, _ size: Int, aim: Double?, _ story: (UInt64) -> (Scenario, RunOptions)
  ) throws {
    let watch = Stopwatch()
    var simulated = 0.0
    var deliveries = 0.0
    var runs: UInt64 = 0
    repeat {
      runs += 1
      let (scenario, options) = story(runs)
      let report = Simulation.run(scenario, options)
      guard report.passed else {
        throw BenchmarkFailure("\(scenario.title) does not pass: \(report.verdict)")
      }
      simulated += Double(report.statistics.simulated) / 1e6
      deliveries += Double(report.statistics.deliveries)
    } while watch.seconds < seconds
    let elapsed = watch.seconds
    let rate = deliveries / elapsed
    var line = Paper.Line(
      name: name, replicas: size, figure: "\(figure(simulated / elapsed)) simulated s/s",
      share: rate / 300_000, limit: "300,000 deliveries/s, the simulator's aim")
    line.note = "\(figure(rate)) deliveries/s in \(runs) runs"
    if let aim {
      line.share = simulated / elapsed / aim
      line.limit = "\(figure(aim)) simulated s/s, its aim while idle"
    }
    Paper.say(line)
  }
}
