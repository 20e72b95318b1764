/// Why a replica cannot start or had to stop: what happened, why, and what to do next.
package struct NodeFault: Error, CustomStringConvertible, Sendable {
  package let description: String
  package init(_ description: String) { self.description = description }
}
