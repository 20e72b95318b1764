import Synchronization
import Transport
import Wire

/// Counts of one replica since its start; added to on any thread.
final class NodeCounters: Sendable {
  let turns = Atomic<UInt64>(0)
  let inputs = Atomic<UInt64>(0)
  let appends = Atomic<UInt64>(0)
  let records = Atomic<UInt64>(0)
  let appendNanoseconds = Histogram()
  let executeNanoseconds = Histogram()
  let blocks = Atomic<UInt64>(0)
  let blocksWithCalls = Atomic<UInt64>(0)
  let callsOrdered = Atomic<UInt64>(0)
  let callsSubmitted = Atomic<UInt64>(0)
  let callsRefused = Atomic<UInt64>(0)
  let envelopesVerified = Atomic<UInt64>(0)
  let envelopesWrong = Atomic<UInt64>(0)
  let overlongMessages = Atomic<UInt64>(0)
  let served = Atomic<UInt64>(0)
  let servesDropped = Atomic<UInt64>(0)
  let queries = Atomic<UInt64>(0)
  let rowReads = Atomic<UInt64>(0)
  let misbehaviour = Atomic<UInt64>(0)

  var named: [(name: String, help: String, value: UInt64)] {
    func value(_ counter: borrowing Atomic<UInt64>) -> UInt64 { counter.load(ordering: .relaxed) }
    return [
      ("turns_total", "Turns of the core's thread.", value(turns)),
      ("inputs_total", "Inputs that the core was stepped through.", value(inputs)),
      ("journal_appends_total", "Appends to the journal, each with one fsync.", value(appends)),
      ("journal_records_total", "Records in them.", value(records)),
      ("blocks_total", "Finalized blocks.", value(blocks)),
      ("blocks_with_calls_total", "Finalized blocks that hold calls.", value(blocksWithCalls)),
      ("calls_ordered_total", "Calls in finalized blocks.", value(callsOrdered)),
      ("calls_submitted_total", "Calls that clients submitted here.", value(callsSubmitted)),
      ("calls_refused_total", "Calls refused here, before ordering.", value(callsRefused)),
      ("envelopes_verified_total", "Calls' envelopes verified.", value(envelopesVerified)),
      ("envelopes_wrong_total", "Envelopes that did not verify.", value(envelopesWrong)),
      ("messages_overlong_total", "Messages over the limit of a frame.", value(overlongMessages)),
      ("serves_total", "Peers' questions answered from the journal.", value(served)),
      ("serves_dropped_total", "Such questions dropped.", value(servesDropped)),
      ("queries_total", "Queries asked here.", value(queries)),
      ("row_reads_total", "Reads of certified rows asked here.", value(rowReads)),
      ("misbehaviour_total", "Messages that no correct replica sends.", value(misbehaviour)),
    ]
  }
}

extension Atomic where Value == UInt64 {
  func add(_ count: Int) { wrappingAdd(UInt64(count), ordering: .relaxed) }
}

/// How long something took, in buckets that double from 0.25 ms on.
final class Histogram: Sendable {
  /// Upper bounds in nanoseconds.
  static let bounds: [UInt64] = (0..<16).map { 250_000 << $0 }

  struct Snapshot: Sendable {
    /// One a bound, then those above all.
    var counts = [UInt64](repeating: 0, count: Histogram.bounds.count + 1)
    var sum: UInt64 = 0

    var count: UInt64 { counts.reduce(0, +) }

    /// The bound below which this share of the values lies, in milliseconds; 0 of none.
    func milliseconds(atShare share: Double) -> Double {
      let wanted = Double(count) * share
      var seen: UInt64 = 0
      for (index, count) in counts.enumerated() where count > 0 {
        seen += count
        if Double(seen) >= wanted {
          return Double(Histogram.bounds[min(index, Histogram.bounds.count - 1)]) / 1e6
        }
      }
      return 0
    }
  }

  private let state = Mutex(Snapshot())

  func record(_ nanoseconds: UInt64) {
    let bucket = Histogram.bounds.firstIndex { nanoseconds <= $0 } ?? Histogram.bounds.count
    state.withLock {
      $0.counts[bucket] += 1
      $0.sum &+= nanoseconds
    }
  }

  var snapshot: Snapshot { state.withLock { $0 } }
}

/// One look at a replica's counters and gauges.
package struct NodeMetrics: Sendable {
  package var replica: ReplicaID
  package var view: View
  package var finalized: Height
  package var executed: Height
  package var certified: Height
  package var peersUp: Int
  package var peers: [LinkStatistics]
  package var refusedConnections: UInt64
  package var freeBytes: UInt64
  package var residentBytes: UInt64
  package var uptimeSeconds: UInt64
  package var poolCalls: UInt32
  package var poolBytes: UInt64
  /// By name, ascending.
  var queues: [(name: String, count: Int)]
  var counts: [(name: String, help: String, value: UInt64)]
  var timings: [(name: String, help: String, value: Histogram.Snapshot)]

  /// Prometheus text, version 0.0.4.
  package var prometheus: String {
    var text = PrometheusText()
    text.gauge("view", "The view that this replica is in.", view.number)
    text.gauge("height_finalized", "The highest finalized height.", finalized.number)
    text.gauge("height_executed", "The highest executed height.", executed.number)
    text.gauge("height_certified", "The highest certified height.", certified.number)
    text.gauge("peers_up", "Peers that messages leave for.", UInt64(peersUp))
    text.gauge("disk_free_bytes", "Free bytes on the replica's disk.", freeBytes)
    text.gauge("memory_resident_bytes", "Resident memory of the process.", residentBytes)
    text.gauge("uptime_seconds", "Seconds since the start.", uptimeSeconds)
    text.gauge("pool_calls", "Calls that wait to be ordered.", UInt64(poolCalls))
    text.gauge("pool_bytes", "Bytes of calls that wait to be ordered.", poolBytes)
    text.head("queue", "gauge", "What waits between two threads.")
    for queue in queues { text.line("queue", queue.count, ["name": queue.name]) }
    for count in counts { text.counter(count.name, count.help, count.value) }
    text.counter(
      "connections_refused_total", "Connections that never became links.", refusedConnections)
    for timing in timings { text.histogram(timing.name, timing.help, timing.value) }
    writePeers(&text)
    return text.text
  }

  private func writePeers(_ text: inout PrometheusText) {
    let parts: [(String, String, String, (LinkStatistics) -> UInt64)] = [
      ("peer_up", "gauge", "Messages to the peer leave now.", { $0.isUp ? 1 : 0 }),
      ("peer_messages_in_total", "counter", "Messages from the peer.", { $0.messagesIn }),
      ("peer_messages_out_total", "counter", "Messages to the peer.", { $0.messagesOut }),
      ("peer_bytes_in_total", "counter", "Bytes from the peer.", { $0.bytesIn }),
      ("peer_bytes_out_total", "counter", "Bytes to the peer.", { $0.bytesOut }),
      ("peer_connects_total", "counter", "Links to the peer that came up.", { $0.connects }),
      ("peer_malformed_total", "counter", "Links closed for what was sent.", { $0.malformed }),
      ("peer_pauses_total", "counter", "Times that reading was put off.", { $0.pauses }),
      ("peer_unsent_total", "counter", "Not sent for want of a link.", { $0.unsent }),
      ("peer_waiting_bytes", "gauge", "Bytes that wait for the peer.", { $0.waitingBytes }),
    ]
    for (name, type, help, value) in parts {
      text.head(name, type, help)
      for peer in peers where peer.peer != replica {
        text.line(name, value(peer), ["peer": "\(peer.peer)"])
      }
    }
    text.head("peer_dropped_total", "counter", "Not sent because the queue was full, by kind.")
    for peer in peers {
      for (kind, count) in peer.dropped.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
        text.line("peer_dropped_total", count, ["kind": "\(kind)", "peer": "\(peer.peer)"])
      }
    }
  }
}

/// Builds Prometheus text
/// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
struct PrometheusText {
  private(set) var text = ""

  mutating func head(_ name: String, _ type: String, _ help: String) {
    text += "# HELP quorate_\(name) \(Self.escaped(help))\n# TYPE quorate_\(name) \(type)\n"
  }

  mutating func line(_ name: String, _ value: some Numeric, _ labels: [String: String] = [:]) {
    line(name, text: "\(value)", labels)
  }

  /// - Parameter value: a number as Prometheus reads it.
  mutating func line(_ name: String, text value: String, _ labels: [String: String]) {
    let list = labels.sorted { $0.key < $1.key }.map { label, value in
      "\(label)=\"\(Self.escaped(value, isQuoted: true))\""
    }
    text +=
      "quorate_\(name)\(list.isEmpty ? "" : "{" + list.joined(separator: ",") + "}") "
      + "\(value)\n"
  }

  /// By scalars: to Swift a line feed behind a carriage return, or a quote under an accent, is part
  /// of another character.
  private static func escaped(_ text: String, isQuoted: Bool = false) -> String {
    var escaped = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": escaped.append(contentsOf: #"\n"#.unicodeScalars)
      case "\\",
        "\"" where isQuoted:
        escaped.append("\\")
        escaped.append(scalar)
      default: escaped.append(scalar)
      }
    }
    return String(escaped)
  }

  mutating func gauge(_ name: String, _ help: String, _ value: UInt64) {
    head(name, "gauge", help)
    line(name, value)
  }

  mutating func counter(_ name: String, _ help: String, _ value: UInt64) {
    head(name, "counter", help)
    line(name, value)
  }

  mutating func histogram(_ name: String, _ help: String, _ value: Histogram.Snapshot) {
    head(name, "histogram", help)
    var seen: UInt64 = 0
    for (bound, count) in zip(Histogram.bounds, value.counts) {
      seen += count
      line("\(name)_bucket", seen, ["le": "\(Double(bound) / 1e9)"])
    }
    line("\(name)_bucket", value.count, ["le": "+Inf"])
    line("\(name)_sum", Double(value.sum) / 1e9)
    line("\(name)_count", value.count)
  }
}
