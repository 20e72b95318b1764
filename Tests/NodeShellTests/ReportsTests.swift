import Execution
import Foundation
import Gateway
import Logging
import Replication
import Signing
import Synchronization
import Testing
import Transport
import Wire

@testable import NodeShell

@Suite struct `A log line` {
  final class Lines: Sendable {
    let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func logger(_ level: Logger.Level = .info) -> Logger {
      Logger(label: "test") { _ in
        LineLog(level: level) { line in self.lines.withLock { $0.append(line) } }
      }
    }
  }

  @Test func `has time, level, words and sorted pairs`() throws {
    let lines = Lines()
    lines.logger().notice("peer up", metadata: ["peer": "r3", "at": "127.0.0.1:80", "why": "a b"])
    let line = try #require(lines.all.first)
    #expect(line.hasSuffix("Z NOTICE   peer up at=127.0.0.1:80 peer=r3 why=\"a b\"\n"))
    #expect(line.contains(#/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /#))
  }

  @Test func `stays one line whatever a peer said`() {
    let lines = Lines()
    lines.logger().warning("refused", metadata: ["why": "a\nb \"c\"\u{7}"])
    #expect(lines.all.first?.filter { $0 == "\n" }.count == 1)
    #expect(lines.all.first?.hasSuffix("why=\"a b 'c' \"\n") == true)
  }

  @Test func `tells the time in UTC`() {
    #expect(LineLog.time(1_700_000_000_007) == "2023-11-14T22:13:20.007Z")
  }

  @Test func `that repeats is left out for a while and then counted`() {
    let quiet = QuietLog()
    #expect(quiet.admits("a", now: 1) == 0)
    #expect(quiet.admits("a", now: 2) == nil)
    #expect(quiet.admits("b", now: 2) == 0)
    let wait = NodeLimits.logQuiet.nanoseconds
    #expect(quiet.admits("a", now: 2 + wait) == 1)
    #expect(quiet.admits("a", now: 1 + 3 * wait) == nil)
    #expect(quiet.admits("a", now: 2 + 3 * wait) == 1)
  }

  @Test func `that repeats for days comes ever more seldom, and at once after a calm`() {
    let quiet = QuietLog()
    let second = Span.seconds(1).nanoseconds
    var lines = 0
    for moment in 0..<86_400 as Range<UInt64> where quiet.admits("a", now: moment * second) != nil {
      lines += 1
    }
    #expect(lines > 20 && lines < 50)
    let most = NodeLimits.logQuietMax.nanoseconds
    let later = 86_400 * second + most
    #expect(quiet.admits("a", now: later) != nil)
    #expect(quiet.admits("a", now: later + most) == 0)
    #expect(quiet.admits("a", now: later + most + NodeLimits.logQuiet.nanoseconds) == 0)
  }

  @Test func `that cannot be written is lost, and nothing else`() throws {
    let full = try #require(FileHandle(forWritingAtPath: "/dev/full"))
    let logger = Logger(label: "test") { _ in
      LineLog(level: .info) { LineLog.write($0, to: full) }
    }
    logger.warning("peer down")
    logger.warning("peer up")
  }

  @Test func `of one gateway is written once while its words repeat`() {
    let lines = Lines()
    let quiet = QuietLog()
    let logger = Logger(label: "test") { _ in
      var log = LineLog(level: .info) { line in lines.lines.withLock { $0.append(line) } }
      log.quiet = quiet
      return log
    }
    for number in 0..<3 { logger.error("a request failed", metadata: ["error": "\(number)"]) }
    logger.error("something else")
    #expect(lines.all.count == 2)
  }
}

@Suite struct `What a replica says of itself` {
  let keys = (0..<4).map { _ in KeyPair.generate().publicKey }

  func board(_ lines: `A log line`.Lines = `A log line`.Lines()) -> ReplicaBoard {
    ReplicaBoard(
      Committee(subnet: .zero, epoch: 0, keys: keys), me: 0, logger: lines.logger(),
      counters: NodeCounters())
  }

  @Test func `has a line for what a peer does again and again, whatever it puts into it`() {
    let lines = `A log line`.Lines()
    let board = board(lines)
    for number in 0..<1_000 {
      board.take(.misbehaved(2, "proposed in view \(number), which it does not lead"))
      board.take(LinkEvent.up(2))
      board.take(LinkEvent.down(2, why: "it sent what cannot be read: \(number)"))
      board.take(LinkEvent.refused(from: "r2", why: "it speaks protocol \(number)"))
      board.take(LinkEvent.flooding(2))
      board.take(.catchingUp(from: 1, to: 2))
      let header = Header(
        subnet: .zero, epoch: 0, view: 1, parentView: 0, parent: .zero, height: 2, time: 1,
        calls: [], certified: nil)
      board.take(.finalized(2, 1, header))
    }
    #expect(lines.all.count == 6, "\(lines.all)")
    board.take(.misbehaved(3, "proposed in view 7, which it does not lead"))
    board.take(LinkEvent.up(3))
    #expect(lines.all.count == 8)
    #expect(!board.now.connected.contains(2) && board.now.connected.contains(3))
  }

  @Test func `names who was accused and what the disk lacks`() {
    let board = board()
    #expect(board.awaiting == [])
    let state = receipt(of: .zero, at: 3).certificate.statement
    let share = StateShare(
      statement: state, signer: 2, signature: Signer.ed25519(.generate()).sign(state))
    board.take(.accused(.states(share, share)))
    board.update {
      $0.isDiskFull = true
      $0.freeBytes = 5 << 20
    }
    #expect(board.awaiting.first?.hasPrefix("r2 has signed") == true)
    #expect(board.awaiting.last?.contains("5 MiB left") == true)
  }

  @Test func `says what to do when its state differs`() {
    let board = board()
    let certificate = receipt(of: .zero, at: 3).certificate
    let state = certificate.statement
    let share = StateShare(
      statement: state, signer: 0, signature: Signer.ed25519(.generate()).sign(state))
    board.take(.quarantined(share, certificate))
    #expect(board.awaiting == ["restart it to rebuild its state from its own log"])
    #expect(board.now.phase == .quarantined)
  }

  @Test func `knows who is in touch, and that a quorum once was`() {
    let board = board()
    board.take(LinkEvent.up(2))
    #expect(board.now.connected == [2] && !board.now.hasMetQuorum)
    board.take(LinkEvent.up(1))
    board.take(LinkEvent.down(2, why: "gone"))
    #expect(board.now.connected == [1] && board.now.hasMetQuorum)
  }

  @Test func `tells the phase that matters most`() {
    let board = board()
    #expect(board.now.phase == .serving)
    board.take(.recovering(answers: 1, needed: 3))
    #expect(board.now.phase == .recovering)
    board.take(.recovered(abstainThrough: 4))
    #expect(board.now.phase == .serving)
    board.update { $0.isDiskFull = true }
    #expect(board.now.phase == .diskFull)
    board.take(.split(4, []))
    #expect(board.now.phase == .halted)
    board.update { $0.isStopping = true }
    #expect(board.now.phase == .stopping)
  }

  @Test func `calls a replica that lags behind certified heights catching up`() {
    let board = board()
    let certificate = receipt(of: .zero, at: Height(NodeLimits.readyLagMax + 1)).certificate
    board.take(.stateCertified(certificate))
    #expect(board.now.phase == .catchingUp)
    board.update { $0.executed = 1 }
    #expect(board.now.phase == .serving)
  }
}

@Suite struct `Metrics` {
  @Test func `are Prometheus text with cumulative buckets`() {
    let histogram = Histogram()
    histogram.record(100_000)
    histogram.record(400_000)
    histogram.record(.max / 2)
    var text = PrometheusText()
    text.histogram("append_seconds", "An append.", histogram.snapshot)
    #expect(text.text.contains("# TYPE quorate_append_seconds histogram\n"))
    #expect(text.text.contains("quorate_append_seconds_bucket{le=\"0.00025\"} 1\n"))
    #expect(text.text.contains("quorate_append_seconds_bucket{le=\"0.0005\"} 2\n"))
    #expect(text.text.contains("quorate_append_seconds_bucket{le=\"+Inf\"} 3\n"))
    #expect(text.text.contains("quorate_append_seconds_count 3\n"))
    #expect(histogram.snapshot.milliseconds(atShare: 0.5) == 0.5)
  }

  @Test func `of packages are gauges by name and unit, with failures and ages beside them`() {
    var metrics = PipelineMetrics()
    func reading(_ pipeline: String, _ value: String?, failures: UInt64 = 0) {
      metrics.readings.append(
        PipelineMetrics.Reading(
          pipeline: pipeline, name: "match_rate", unit: "ppm", about: "Matched\nof all",
          value: value, failures: failures))
    }
    reading("bank", "993000")
    reading("shop", nil, failures: 2)
    metrics.progress = [
      (
        "bank",
        SourceProgress(
          source: "feed", late: "accept", eventHighest: 90_000, lateness: 30_000,
          acceptedAt: 100_000, bound: .init(warnAfter: 1_000, errorAfter: 9_000))
      )
    ]
    let lines = metrics.prometheus(at: 105_000).split(separator: "\n").map(String.init)
    #expect(
      lines == [
        "# HELP quorate_metric_match_rate_ppm Matched of all",
        "# TYPE quorate_metric_match_rate_ppm gauge",
        "quorate_metric_match_rate_ppm{metric=\"match_rate\",pipeline=\"bank\"} 993000",
        "# HELP quorate_metrics_failed_total Times that a pipeline's metric could not be computed.",
        "# TYPE quorate_metrics_failed_total counter",
        "quorate_metrics_failed_total{metric=\"match_rate\",pipeline=\"bank\"} 0",
        "quorate_metrics_failed_total{metric=\"match_rate\",pipeline=\"shop\"} 2",
        "# HELP quorate_source_watermark_seconds Event time below which a row is late, since 1970.",
        "# TYPE quorate_source_watermark_seconds gauge",
        "quorate_source_watermark_seconds{pipeline=\"bank\",source=\"feed\"} 60",
        "# HELP quorate_source_age_seconds Seconds since a source last took a row.",
        "# TYPE quorate_source_age_seconds gauge",
        "quorate_source_age_seconds{pipeline=\"bank\",source=\"feed\"} 5",
        "# HELP quorate_source_stale 1 where a source is older than its freshness allows.",
        "# TYPE quorate_source_stale gauge",
        "quorate_source_stale{pipeline=\"bank\",severity=\"warn\",source=\"feed\"} 1",
        "quorate_source_stale{pipeline=\"bank\",severity=\"error\",source=\"feed\"} 0",
      ])
    #expect(PipelineMetrics().prometheus(at: 1).isEmpty)
  }

  @Test func `of packages count the rows of sources, and those that broke expectations`() {
    var metrics = PipelineMetrics()
    var orders = SourceCounts(source: "orders")
    orders.accepted = 7
    orders.duplicates = 6
    orders.dropped = 5
    orders.quarantined = 4
    orders.released = 3
    orders.late = 2
    orders.rejected = 1
    orders.expectations = [
      ExpectationCount(name: "cheap", action: "warn", checked: 16, violated: 9),
      ExpectationCount(name: "whole", action: "fail", checked: 17, violated: 1),
    ]
    metrics.counts = [("shop", orders)]
    let lines = metrics.prometheus(at: 1).split(separator: "\n").map(String.init)
    func row(_ outcome: String, _ rows: Int) -> String {
      "quorate_source_rows_total{outcome=\"\(outcome)\",pipeline=\"shop\",source=\"orders\"} "
        + "\(rows)"
    }
    func line(_ what: String, _ action: String, _ name: String, _ count: Int) -> String {
      "quorate_expectation_\(what)_total{action=\"\(action)\",expectation=\"\(name)\","
        + "pipeline=\"shop\",source=\"orders\"} \(count)"
    }
    #expect(
      lines == [
        "# HELP quorate_source_rows_total Rows that came to a source, by where they went.",
        "# TYPE quorate_source_rows_total counter",
        row("accepted", 7), row("duplicate", 6), row("dropped", 5), row("quarantined", 4),
        row("released", 3), row("late", 2), row("rejected", 1),
        "# HELP quorate_expectation_checks_total "
          + "Rows, or batches, that an expectation of a source looked at.",
        "# TYPE quorate_expectation_checks_total counter",
        line("checks", "warn", "cheap", 16), line("checks", "fail", "whole", 17),
        "# HELP quorate_expectation_violations_total "
          + "Rows, or batches, that broke an expectation of a source.",
        "# TYPE quorate_expectation_violations_total counter",
        line("violations", "warn", "cheap", 9), line("violations", "fail", "whole", 1),
      ])
  }

  /// Units and names are any text of a package; none of it may pass for another line.
  @Test func `of packages are escaped`() {
    var metrics = PipelineMetrics()
    metrics.readings = [
      PipelineMetrics.Reading(
        pipeline: "shop", name: "speed", unit: "km/h {x}\n", about: "A \\ and\na line", value: "9",
        failures: 0),
      PipelineMetrics.Reading(
        pipeline: "shop", name: "share", unit: "%", about: "", value: "1", failures: 0),
    ]
    var orders = SourceCounts(source: "orders")
    orders.expectations = [
      ExpectationCount(name: "a\"b\\c\nd", action: "warn", checked: 1, violated: 1)
    ]
    metrics.counts = [("shop", orders)]
    let lines = metrics.prometheus(at: 1).split(separator: "\n").map(String.init)
    #expect(lines.first == #"# HELP quorate_metric_speed_km_h_x A \\ and a line"#)
    #expect(
      lines.contains(#"quorate_metric_speed_km_h_x{metric="speed",pipeline="shop"} 9"#))
    #expect(lines.contains(#"quorate_metric_share{metric="share",pipeline="shop"} 1"#))
    #expect(lines.last?.contains(#"expectation="a\"b\\c\nd",pipeline"#) == true, "\(lines)")
    for line in lines where !line.hasPrefix("#") {
      #expect(line.contains(#/^quorate_[a-z_]+\{.*\} [0-9]+$/#), "\(line)")
    }
  }

  /// A carriage return before a line feed, and an accent on a quote, make other characters of them.
  @Test func `are escaped scalar by scalar`() throws {
    var text = PrometheusText()
    text.head("x", "gauge", "one\r\nquorate_view 9")
    text.line("x", 1, ["name": "a\"\u{301} 1\r\nquorate_view 9", "other": "\\\u{301}"])
    let lines = text.text.utf8.split(separator: 0x0a).map { String($0) ?? "" }
    try #require(lines.count == 3)
    #expect(lines[0] == "# HELP quorate_x one\r\\nquorate_view 9")
    #expect(
      lines[2]
        == "quorate_x{name=\"a\\\"\u{301} 1\r\\nquorate_view 9\",other=\"\\\\\u{301}\"} 1")
    var metrics = PipelineMetrics()
    metrics.readings = [
      PipelineMetrics.Reading(
        pipeline: "shop", name: "n", unit: "", about: "one\r\nquorate_view 9", value: "1",
        failures: 0)
    ]
    #expect(metrics.prometheus(at: 1).hasPrefix("# HELP quorate_metric_n one quorate_view 9\n"))
  }

  @Test func `name each peer but the replica itself`() {
    let metrics = NodeMetrics(
      replica: 0, view: 7, finalized: 5, executed: 4, certified: 3, peersUp: 1,
      peers: [LinkStatistics(peer: 0), LinkStatistics(peer: 1, isUp: true)],
      refusedConnections: 2, freeBytes: 1, residentBytes: 1, uptimeSeconds: 1, poolCalls: 0,
      poolBytes: 0, queues: [("core", 9)], counts: NodeCounters().named, timings: [])
    let text = metrics.prometheus
    #expect(text.contains("quorate_view 7\n"))
    #expect(text.contains("quorate_peer_up{peer=\"r1\"} 1\n"))
    #expect(!text.contains("peer=\"r0\""))
    #expect(text.contains("quorate_queue{name=\"core\"} 9\n"))
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      #expect(line.contains(#/^quorate_[a-z_]+(\{[^}]*\})? [0-9.e+-]+$/#), "\(line)")
    }
  }
}
