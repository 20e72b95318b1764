import Wire

/// Updates in real time (check 6): what was acknowledged before a call was sent comes before it.
///
/// - Bound: calls under way; one that never gets a receipt is forgotten after its longest life.
struct CallBook {
  fileprivate struct Sent {
    let time: UInt64
    /// The highest height of which a receipt was held when the call was first sent.
    let after: Height
  }

  fileprivate var sent: [Digest: Sent] = [:]
  private(set) var acknowledged: Height = 0

  var count: Int { sent.count }

  fileprivate mutating func acknowledge(_ height: Height) {
    acknowledged = max(acknowledged, height)
  }

  mutating func forget(at now: UInt64) {
    let life = 2 * OracleLimits.callLifetime * 1_000
    sent = sent.filter { now < $0.value.time + life }
  }
}

extension Oracle {
  /// A client sends a call, for the first time or again.
  func submitted(_ call: Digest) {
    guard calls.sent[call] == nil else { return }
    calls.sent[call] = CallBook.Sent(time: now, after: calls.acknowledged)
  }

  /// A client holds a receipt that verified.
  func acknowledged(_ call: Digest, _ receipt: Receipt) {
    if receipt.call != call {
      report(.reads, nil, nil, "a receipt of \(receipt.call) was taken for one of \(call)")
    }
    guard let sent = calls.sent.removeValue(forKey: call) else {
      report(.exactlyOnce, nil, nil, "call \(call) has a receipt and was never sent")
      return
    }
    if receipt.height <= sent.after {
      report(
        .reads, nil, nil,
        "call \(call) took effect at height \(receipt.height), though it was sent after height "
          + "\(sent.after) was acknowledged")
    }
    if let time = chain.time(at: receipt.height), time != receipt.time {
      report(
        .reads, nil, nil, "the receipt of \(call) names another time than its block has")
    }
    calls.acknowledge(receipt.height)
  }
}
