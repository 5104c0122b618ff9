//! Unions and intersections of sorted sets.
