import Wire

extension World {
  /// A correct replica finalized a view.
  func measure(finalized view: View, _ header: Header) {
    let living = machines.count { $0.correct && !$0.gone }
    figures.finalized(view, at: now, median: (living + 1) / 2)
    for digest in header.calls {
      for client in clients.indices { clients[client].ordered(digest, at: header.height) }
    }
  }

  /// A replica holds a state certificate: whoever waits there for a receipt has it now.
  func measure(certified height: Height, on machine: Machine) {
    let executed = machine.ledger?.height ?? 0
    for client in clients.indices {
      for place in clients[client].pending.indices {
        let pending = clients[client].pending[place]
        guard pending.target == machine.index, !pending.replied,
          let ordered = pending.height, ordered <= min(height, executed)
        else { continue }
        clients[client].pending[place].replied = true
        figures.replies.add(now - pending.firstSentAt)
      }
    }
  }

  var figuresAtEnd: Figures {
    let views = statistics.viewFinalized.number
    let heights = statistics.heightHighest.number
    return Figures(
      delay: scenario.cluster.latency, finality: figures.finality,
      replies: scenario.cluster.execution == .sql ? figures.replies : Distribution(),
      blocks: heights, viewsLost: views - min(views, heights), crashes: statistics.crashes,
      messages: statistics.sent, bytes: statistics.bytesSent)
  }
}
