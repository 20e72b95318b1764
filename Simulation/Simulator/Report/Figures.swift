import Wire

/// What the protocol did in a run, in numbers.
///
/// - Safety: simulated time only, so the same in any process.
package struct Figures: Sendable, Hashable {
  /// One message delay `δ` of the story: the latency of its links, without jitter.
  package let delay: Span
  /// Microseconds from the proposal of a block to its finalization at the median of the correct
  /// replicas that had not gone for good.
  package let finality: Distribution
  /// Microseconds from the first sending of a call to the moment in which the replica that was
  /// asked holds the certificate over its receipt; of none where nothing is executed.
  package let replies: Distribution
  package let blocks: UInt64
  /// Views up to the last finalized one that gave no finalized block.
  package let viewsLost: UInt64
  package let crashes: UInt64
  package let messages: UInt64
  package let bytes: UInt64

  package var messagesPerBlock: UInt64 { messages / max(1, blocks) }
  package var bytesPerBlock: UInt64 { bytes / max(1, blocks) }

  /// nil without a crash.
  package var viewsLostPerCrash: Double? {
    crashes == 0 ? nil : Double(viewsLost) / Double(crashes)
  }

  /// Finality in units of `δ`; nil without a finalized block.
  package func finalityDelays(_ percentile: UInt64) -> Double? {
    guard delay.number > 0, let span = finality.percentile(percentile) else { return nil }
    return Double(span) / Double(delay.number)
  }

  package var text: String {
    var parts: [String] = []
    if let half = finality.percentile(50), let most = finality.percentile(99),
      let halfDelays = finalityDelays(50), let mostDelays = finalityDelays(99)
    {
      parts.append(
        "finality \(tenths(halfDelays)) δ median, \(tenths(mostDelays)) δ p99 "
          + "(\(half / 1_000) ms, \(most / 1_000) ms)")
    }
    if let half = replies.percentile(50), let most = replies.percentile(99) {
      parts.append("certified reply \(half / 1_000) ms, \(most / 1_000) ms")
    }
    parts.append(
      "\(counted(messagesPerBlock, "message")) and \(counted(bytesPerBlock, "byte")) a block")
    let each = viewsLostPerCrash.map { " (\(tenths($0)) lost a crash)" } ?? ""
    parts.append(
      "\(counted(viewsLost, "view")) lost, \(counted(crashes, "crash", "crashes"))\(each)")
    return parts.joined(separator: "; ")
  }

  private func tenths(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let fraction = hundredths % 100
    return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
  }
}

/// Gathers the figures while a run goes on.
///
/// - Bound: remembers `viewsMax` proposals at most.
struct FigureBook {
  static let viewsMax = 4_096

  private(set) var finality = Distribution()
  var replies = Distribution()
  /// Microseconds of the first proposal of a view.
  private var proposedAt: [View: UInt64] = [:]
  private var finalizing: [View: Int] = [:]

  mutating func proposed(_ view: View, at now: UInt64) {
    if proposedAt.count >= Self.viewsMax { forget(below: view) }
    if proposedAt[view] == nil { proposedAt[view] = now }
  }

  /// - Parameter median: how many replicas must have finalized for half of them to have.
  mutating func finalized(_ view: View, at now: UInt64, median: Int) {
    guard let start = proposedAt[view] else { return }
    let so = finalizing[view, default: 0] + 1
    finalizing[view] = so
    guard so >= median else { return }
    finality.add(now - start)
    proposedAt[view] = nil
    finalizing[view] = nil
  }

  private mutating func forget(below view: View) {
    let oldest = View(view.number - min(view.number, UInt64(Self.viewsMax / 2)))
    proposedAt = proposedAt.filter { $0.key >= oldest }
    finalizing = finalizing.filter { $0.key >= oldest }
  }
}
