import Wire

/// A member as links need it.
package struct LinkMember: Sendable {
  package let id: ReplicaID
  package let host: String
  package let port: Int
  /// Its transport certificate, pinned: no other certificate is this member.
  package let certificatePEM: String

  package init(id: ReplicaID, host: String, port: Int, certificatePEM: String) {
    self.id = id
    self.host = host
    self.port = port
    self.certificatePEM = certificatePEM
  }
}

/// What one replica's links start from.
package struct LinkSetup: Sendable {
  package var me: ReplicaID
  package var subnet: SubnetID
  /// All members, this one too, in the order of their ids.
  package var members: [LinkMember]
  package var certificatePEM: String
  package var privateKeyPEM: String
  /// The address to listen on.
  package var listenHost: String
  package var listenPort: Int
  package var limits = LinkLimits()

  package init(
    me: ReplicaID, subnet: SubnetID, members: [LinkMember], certificatePEM: String,
    privateKeyPEM: String, listenHost: String, listenPort: Int
  ) {
    self.me = me
    self.subnet = subnet
    self.members = members
    self.certificatePEM = certificatePEM
    self.privateKeyPEM = privateKeyPEM
    self.listenHost = listenHost
    self.listenPort = listenPort
  }
}

/// Why links could not start.
package enum LinkFault: Error, Equatable, CustomStringConvertible {
  case portTaken(host: String, port: Int)
  case notListening(host: String, port: Int, why: String)
  case credentials(String)

  package var description: String {
    switch self {
    case .portTaken(let host, let port):
      "port \(port) on \(host) is in use: another process listens there. Stop it "
        + "(`ss -ltnp 'sport = :\(port)'` names it), or give this replica another port in "
        + "network.json and replica.json"
    case .notListening(let host, let port, let why):
      "cannot listen on \(host):\(port): \(why). Check the address in replica.json"
    case .credentials(let why):
      "the transport certificates cannot be used: \(why). Restore transport.crt, transport.key "
        + "and network.json from a copy, or make the replica's folder anew"
    }
  }
}

/// What happens to links, for logs and for the core.
package enum LinkEvent: Sendable, Equatable {
  /// Messages to this peer leave from now on.
  case up(ReplicaID)
  case down(ReplicaID, why: String)
  /// A connection that did not become a link, from this address.
  case refused(from: String, why: String)
  /// A peer sent more than its share; it is not read from for a while.
  case flooding(ReplicaID)
}

/// A decoded message with the authenticated other end.
package struct Arrival: Sendable {
  package let peer: ReplicaID
  package let message: Message
  /// As it came over the link.
  package let bytes: Int
}

/// Whom a frame goes to.
package enum Destination: Sendable, Hashable {
  /// All members but this one.
  case all
  case one(ReplicaID)
}
