import Replication
import Wire

/// Memory, queues and logs against limits that the oracle names itself (check 9).
extension Oracle {
  /// What a machine holds beside its replica.
  struct Stores {
    /// Bytes of messages under way to it.
    var underWay = 0
    /// The largest write-ahead log on its disk, in bytes.
    var log = 0
    /// Blocks handed to execution.
    var executing = 0
  }

  /// - Parameters:
  ///   - floor: the replica's last finalized view.
  ///   - highest: the highest view that any replica is in.
  func bounds(
    _ load: ReplicaLoad, _ stores: Stores, floor: View, highest: View, on machine: Int
  ) {
    let members = committee.members.count
    let open = Int(clamping: highest.above(floor)) + Int(OracleLimits.viewsAhead) + 1
    let rules: [(what: String, is: Int, most: Int)] = [
      ("views", load.views, open + Int(OracleLimits.viewsKept)),
      ("votes of one view", load.votesOfView, 3 * members),
      ("blocks in memory", load.blocks, 2 * open + 2 * OracleLimits.blocksKept),
      ("headers that wait for bodies", load.assemblies, OracleLimits.assembliesMax),
      ("heights with state shares or certificates", load.states, OracleLimits.statesMax),
      ("calls in the pool", load.poolCalls, OracleLimits.poolCallsMax),
      ("bytes in the pool", load.poolBytes, OracleLimits.poolBytesMax),
      ("rumours of bodies", load.rumours, OracleLimits.poolCallsMax),
      ("ordered calls remembered", load.ordered, OracleLimits.orderedMax),
      ("effects waiting for the journal", load.held, OracleLimits.heldMax),
      ("blocks asked for", load.wanted, 2 * open + OracleLimits.blocksKept),
      ("blocks in execution", stores.executing, OracleLimits.executionsMax),
      ("bytes under way to it", stores.underWay, memoryMax),
      ("bytes of a write-ahead log", stores.log, OracleLimits.logBytesMax),
    ]
    for rule in rules where rule.is > rule.most {
      report(
        .bounds, machine, nil, "holds \(rule.is) \(rule.what), at most \(rule.most) may be",
        always: true)
    }
  }

  /// Views of which one replica may hold anything, whatever others say: rule R13.
  func viewsMost(at view: View, _ floor: View) -> Int {
    Int(clamping: view.above(floor) + OracleLimits.viewsBeside)
  }

  /// What waits on the links to a machine lies in the queues of those who sent it, so it is bounded
  /// whoever the machine is.
  func bounds(underWay bytes: Int, to machine: Int) {
    guard bytes > memoryMax else { return }
    report(
      .bounds, machine, nil,
      "is sent \(bytes) bytes at once, at most \(memoryMax) may be under way")
  }
}
