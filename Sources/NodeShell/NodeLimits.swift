import Wire

/// What bounds the shell of one replica.
package enum NodeLimits {
  // The core's thread.
  /// Inputs that one turn takes before it makes durable what they led to.
  static let turnInputsMax = 512
  /// Bytes of undelivered messages above which nothing more is read from peers, and below which
  /// reading goes on.
  static let inboxBytesHigh = 48 << 20
  static let inboxBytesLow = 16 << 20
  /// What a waiting message takes besides its own bytes.
  static let inputBytes = 256
  /// How often the core is asked where it stands.
  static let standingTick = Span.milliseconds(200)
  static let threadStackBytes = 4 << 20

  // Verification of envelopes.
  /// How long no calls are taken of a peer that sent one which does not hold.
  static let peerMutedFor = Duration.seconds(5)
  /// Verified calls that are remembered, so that what comes by two ways is verified once.
  static let verifiedCallsRemembered = 8_192
  static let verifiedBytesRemembered = 4 << 20
  static let verifierBytesMax = 64 << 20
  /// Calls that one pass verifies together.
  static let verifierBatch = 128

  // Queries.
  static let queryThreads = 2
  static let queriesWaitingMax = 1_024
  /// Of one client.
  static let queriesPerClientMax = queriesWaitingMax / 8

  // Answers to peers from the journal.
  /// Of one peer, so that others are answered too.
  static let servingPerPeerMax = 32

  // Calls that clients of this replica follow.
  static let trackedCallsMax = 32_768
  static let waitersMax = 8_192
  /// How long verifying and admitting a call may take before its client is told "received".
  static let admissionMax = Span.seconds(5)
  /// Jobs that the executor's thread takes at once; calls among them go on together.
  static let executorBatch = 256
  /// Jobs of the executor's thread above which no receipt is looked up any more.
  static let lookupsMax = 4_096
  /// How long a waiting client's receipt is not looked for again, at first and at most.
  static let lookAgainFirst = Span.milliseconds(50)
  static let lookAgainMax = Span.seconds(2)
  /// How often waiting clients' patience is looked at.
  static let patienceTick = Span.milliseconds(50)

  // Events.
  static let eventsBuffered = 256
  static let eventStreamsMax = 64

  // Health.
  static let housekeepingTick = Span.seconds(1)
  /// Free bytes on the disk below which this replica takes no new calls.
  package static let diskReserveBytesUsual: UInt64 = 256 << 20
  /// Of that reserve, at most, what execution leaves to the journal: a replica that can append no
  /// block ends.
  static let journalRoomBytesUsual = diskReserveBytesUsual / 4
  /// Heights behind the highest certified one at which a replica no longer calls itself ready.
  static let readyLagMax: UInt64 = 16
  /// How long a view may last before it is told as slow.
  static let slowView = Span.seconds(5)
  /// How long a graceful stop may take before what is left is cut off.
  static let stopSecondsMax: Int64 = 10
  /// How long equal log lines are kept back after one of them, at first and at most.
  static let logQuiet = Span.seconds(10)
  static let logQuietMax = Span.seconds(3_600)

  // Reads.
  /// How often, and how long each time, a read waits while no height can be read.
  static let unreadableWaits = 10
  static let unreadableWait = Span.milliseconds(20)

  // Files.
  static let settingsBytesMax = 64 << 10
  static let keyFileBytesMax = 4 << 10
}
