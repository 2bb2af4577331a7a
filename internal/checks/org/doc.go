// Package org holds the checks about how content is put away and laid out.
package org
