/** The part of the GraphQL schema of Meta's SAM 2 demo that its page uses. */
import { buildSchema } from "graphql";

export const schema = buildSchema(`
  scalar GlobalID
  scalar Upload

  interface Node { id: GlobalID! }

  type Video implements Node {
    id: GlobalID!
    "For startSession"
    path: String!
    posterPath: String
    width: Int!
    height: Int!
    url: String!
    posterUrl: String!
  }

  type VideoEdge { cursor: String! node: Video! }
  type PageInfo { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
  type VideoConnection { pageInfo: PageInfo! edges: [VideoEdge!]! }

  "COCO run-length text"
  type RLEMask { size: [Int!]! counts: String! order: String! }
  type RLEMaskForObject { objectId: Int! rleMask: RLEMask! }
  type RLEMaskListOnFrame { frameIndex: Int! rleMaskList: [RLEMaskForObject!]! }

  type StartSession { sessionId: String! }
  type CloseSession { success: Boolean! }
  type ClearPointsInVideo { success: Boolean! }
  type CancelPropagateInVideo { success: Boolean! }

  input StartSessionInput { path: String! }
  input CloseSessionInput { sessionId: String! }
  input AddPointsInput {
    sessionId: String!
    frameIndex: Int!
    clearOldPoints: Boolean!
    objectId: Int!
    "1 on the object, 0 off it"
    labels: [Int!]!
    "0 to 1 of the frame"
    points: [[Float!]!]!
  }
  input ClearPointsInFrameInput { sessionId: String! frameIndex: Int! objectId: Int! }
  input ClearPointsInVideoInput { sessionId: String! }
  input RemoveObjectInput { sessionId: String! objectId: Int! }
  input CancelPropagateInVideoInput { sessionId: String! }

  type Query {
    defaultVideo: Video!
    videos(before: String, after: String, first: Int, last: Int): VideoConnection!
  }

  type Mutation {
    uploadVideo(file: Upload!, startTimeSec: Float, durationTimeSec: Float): Video!
    startSession(input: StartSessionInput!): StartSession!
    closeSession(input: CloseSessionInput!): CloseSession!
    addPoints(input: AddPointsInput!): RLEMaskListOnFrame!
    clearPointsInFrame(input: ClearPointsInFrameInput!): RLEMaskListOnFrame!
    clearPointsInVideo(input: ClearPointsInVideoInput!): ClearPointsInVideo!
    removeObject(input: RemoveObjectInput!): [RLEMaskListOnFrame!]!
    cancelPropagateInVideo(input: CancelPropagateInVideoInput!): CancelPropagateInVideo!
  }
`);
