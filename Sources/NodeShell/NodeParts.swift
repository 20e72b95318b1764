import Certification
import Execution
import Gateway
import Journaling
import Logging
import Replication
import Signing
import Synchronization
import Transport
import Wire

/// What the threads of one node share. Everything here may be used from any thread.
final class NodeParts: Sendable {
  let me: ReplicaID
  let committee: Committee
  let verifier = Verifier.ed25519
  let signer: Signer
  let reader: Reader
  let journalReader: JournalReader
  let counters = NodeCounters()
  let board: ReplicaBoard
  let inbox = Mailbox<Input>()
  let executions = Mailbox<ExecutorLoop.Job>()
  let tracker = CallTracker()
  let heights = HeightWaiters()
  let envelopes: EnvelopePool
  let queries = WorkPool(
    limit: NodeLimits.queriesWaitingMax, share: NodeLimits.queriesPerClientMax)
  let startedAt = Clocks.monotonic
  private let links = Mutex<Links?>(nil)
  /// Changed under the lock of `links` alone, with what links are told of it.
  private let isReading = Atomic<Bool>(true)

  init(_ configuration: NodeConfiguration, files: OpenedFiles, logger: Logger) {
    me = configuration.me
    committee = configuration.network.committee
    signer = .ed25519(configuration.key)
    reader = files.executor.reader
    reader.brake { Clocks.monotonic / 1_000_000 }
    journalReader = files.journalReader
    var logger = logger
    logger[metadataKey: "replica"] = "\(configuration.me)"
    board = ReplicaBoard(committee, me: me, logger: logger, counters: counters)
    envelopes = EnvelopePool(
      verifier, committee: configuration.network.committee, inbox: inbox, counters: counters)
  }

  /// Links hand what arrives to these parts, so the two know each other until the node ends.
  func attach(_ links: Links?) { self.links.withLock { $0 = links } }

  // MARK: From links, on the event loop

  func arrived(_ arrivals: [Arrival]) {
    var weight = 0
    for arrival in arrivals {
      switch arrival.message {
      case .calls(let calls):
        // Over the bound they are dropped: whoever announced them is asked again.
        envelopes.take(calls, from: arrival.peer)
      case .proposal(let header, let inlined, let vote)
      where !inlined.isEmpty && committee.leader(of: header.view) == arrival.peer
        && envelopes.take(header, inlined, vote, from: arrival.peer, bytes: arrival.bytes):
        break
      default:
        weight =
          inbox.post(
            .received(arrival.message, from: arrival.peer),
            weight: arrival.bytes + NodeLimits.inputBytes) ?? 0
      }
    }
    guard weight > NodeLimits.inboxBytesHigh else { return }
    links.withLock { links in
      if isReading.exchange(false, ordering: .relaxed) { links?.read(false) }
    }
    // The core may have taken all of it meanwhile, and have no further turn soon.
    turned()
  }

  func linked(_ event: LinkEvent) {
    board.take(event)
    switch event {
    case .up(let peer): inbox.post(.connected(peer))
    case .down(let peer, _): inbox.post(.disconnected(peer))
    case .refused, .flooding: break
    }
  }

  // MARK: From the core, after each turn

  func turned() {
    guard !isReading.load(ordering: .relaxed), inbox.weight < NodeLimits.inboxBytesLow else {
      return
    }
    links.withLock { links in
      if !isReading.exchange(true, ordering: .relaxed) { links?.read(true) }
    }
  }
}

extension LinkSetup {
  init(_ configuration: NodeConfiguration) {
    let settings = configuration.settings
    self.init(
      me: configuration.me, subnet: configuration.network.subnet,
      members: configuration.network.members.map {
        LinkMember(
          id: $0.id, host: $0.host, port: Int($0.peerPort), certificatePEM: $0.certificate)
      },
      certificatePEM: configuration.certificatePEM, privateKeyPEM: configuration.privateKeyPEM,
      listenHost: settings.peerHost,
      listenPort: Int(settings.peerPort ?? configuration.member.peerPort))
  }
}
