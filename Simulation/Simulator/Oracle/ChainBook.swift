import Signing
import Wire

/// The one chain: what correct replicas finalized, by height.
///
/// - Bound: a digest a height, since a replica that lost its disk tells all of them again; headers
///   as far as `OracleLimits.retained` heights back.
struct ChainBook {
  private var headers = Recent<Height, Header>()
  private var digests: [Digest] = []
  /// How far each machine has told.
  private(set) var told: [Height]

  init(machines: Int) { told = [Height](repeating: 0, count: machines) }

  /// The highest finalized height; 0 is genesis.
  var height: Height { Height(UInt64(digests.count)) }
  var count: Int { headers.count }

  func digest(at height: Height) -> Digest? {
    height >= 1 && height <= self.height ? digests[Int(height.number) - 1] : nil
  }

  func time(at height: Height) -> Moment? { headers[height]?.time }

  /// nil where the header was forgotten.
  func view(at height: Height) -> View? { headers[height]?.view }

  /// Whether this is the header that was finalized at its height.
  fileprivate func holds(_ header: Header, at height: Height) -> Bool {
    if let known = headers[height] { return known == header }
    return digest(at: height) == header.digest
  }

  fileprivate mutating func append(_ header: Header, _ digest: Digest) {
    digests.append(digest)
    headers.set(height, header)
  }

  fileprivate mutating func tell(_ height: Height, by machine: Int) {
    told[machine] = max(told[machine], height)
  }

  fileprivate mutating func begin(_ machine: Int, at height: Height) { told[machine] = height }

  mutating func forget(below height: Height) { headers.forget(below: height) }
}

extension Oracle {
  func finalized(_ height: Height, _ view: View, _ header: Header, by machine: Int) {
    guard machines[machine].correct else { return }
    if header.height != height || header.view != view {
      report(.agreement, machine, view, "tells of height \(height) with another block's header")
    }
    let told = chain.told[machine]
    if height > told.next {
      report(.agreement, machine, view, "finalizes height \(height) right after height \(told)")
    }
    chain.tell(height, by: machine)
    if height <= chain.height {
      if !chain.holds(header, at: height) {
        report(
          .agreement, machine, view,
          "finalizes \(header.digest) at height \(height), where another replica finalized "
            + "\(chain.digest(at: height)?.short ?? "")")
      }
      return
    }
    guard height == chain.height.next else {
      report(.agreement, machine, view, "finalizes height \(height) above \(chain.height)")
      return
    }
    let digest = header.digest
    if height > 1, header.parent != chain.digest(at: chain.height) {
      report(.agreement, machine, view, "finalizes height \(height) on another parent")
    }
    if views.of(view).notarized != digest {
      report(.oneNotarization, machine, view, "finalizes view \(view), which was not notarized")
    }
    judgeBounds(header, machine)
    chain.append(header, digest)
  }

  /// A machine starts anew; what it finalized before it may tell again.
  func restarted(_ machine: Int, at height: Height) {
    chain.begin(machine, at: height)
    machines[machine].executesThrough = nil
  }
}
