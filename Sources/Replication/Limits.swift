import Wire

/// Bounds of one replica that its peers need not know.
package enum ReplicaLimits {
  /// Blocks handed to execution and not answered yet.
  package static let executionsInFlightMax = 4
  /// Heights around the executed one whose state shares and certificates are in memory.
  package static let statesRetained: UInt64 = 256
  /// Shares are admitted so far above the executed height.
  package static let statesAheadMax: UInt64 = 64
  /// Certificates of finalized heights are kept so far above the executed height.
  package static let certificatesAheadMax: UInt64 = 4_096
  /// State certificates pulled a tick.
  package static let statesPulledMax = 8
  /// Requests of one peer answered a tick.
  package static let answersPerTickMax = 32
  /// Bytes of blocks and bodies that one peer is answered with a tick; one answer may pass it.
  package static let answerBytesPerTickMax = 16 << 20
  /// What looking through the blocks in memory for one body is taken to weigh.
  package static let searchBytes = 1 << 10
  /// What an answer out of the journal is taken to weigh.
  package static let servedBytes = 1 << 20
  package static let servedRangeBytes = 4 << 20
  /// Ticks that a range of several answers may take; doubled with each round of the members in
  /// which no range came: one of `VotingLimits.aboveGapBytesMax` has some 147,000 blocks without
  /// calls, and whoever is asked answers five requests of 512 in two ticks.
  package static let rangeTicks: UInt64 = 4
  package static let rangeTicksDoubledMax = 6
  /// Turns in which whoever sent nothing of use when asked for a range is not asked for one, while
  /// there are others; doubled each time for bodies that are not those of their blocks.
  package static let rangeTurnsPassed = 8
  package static let rangeTurnsDoubledMax = 10
  /// Announced bodies that never came, asked for a tick.
  package static let bodiesPulledMax = 64
  /// Bodies of one peer that may fail to verify before the rest of its message is dropped.
  package static let badCallsMax = 1
  /// Headers waiting for bodies.
  package static let assembliesMax = 16
  /// Digests of ordered calls remembered, so that late bodies do not enter the pool again.
  package static let orderedRemembered = 65_536
  /// Whom a tick asks for the same thing.
  package static let askedPerTick = 2
  /// Views ahead whose leaders are told which bodies are held.
  package static let leadersAnnounced: UInt64 = 2
  /// Ticks after which an unordered call is spread and announced anew.
  package static let spreadAgainTicks: UInt64 = 8
  /// Misbehaviour told of one peer a tick; after so much it is not listened to in that tick.
  package static let noticesPerPeerMax = 4
}
