# Scenario.pm - sentences about what parties (Party.pm) do, printed as `ok - ...` or `not ok - ...` for take_over of lib.sh.
#
# All parties of a scenario live in one process and share one event loop, so every step of one can be waited for before
# the next of another. Every wait is bounded.
package Scenario;
use strict;
use warnings;
use Exporter 'import';
use Net::SIP;
use Time::HiRes 'time';

our @EXPORT = qw(about ok same like waited await event_loop);

use constant { PATIENCE => 10, TURN => 0.01 };    # seconds

my $loop = Net::SIP::Dispatcher::Eventloop->new;
my ($about, $failed) = ('', 0);
$| = 1;

sub event_loop { return $loop }

# What the sentences are about; goes before each.
sub about { $about = "$_[0]: " }

sub ok {
    my ($sentence, $is_so) = @_;
    print $is_so ? 'ok' : 'not ok', " - $about$sentence\n";
    $failed = 1 if !$is_so;
    return $is_so;
}

sub same {
    my ($sentence, $expected, $actual) = @_;
    $actual = 'nothing' if !defined $actual;
    print "# expected '$expected', got '$actual'\n" if $expected ne $actual;
    return ok($sentence, $expected eq $actual);
}

sub like {
    my ($sentence, $pattern, $actual) = @_;
    $actual = '' if !defined $actual;
    print "# '$actual' does not match $pattern\n" if $actual !~ $pattern;
    return ok($sentence, scalar($actual =~ $pattern));
}

# Runs the loop until the function returns something true; false when it did not in time.
sub waited {
    my ($is_so) = @_;
    my $deadline = time + PATIENCE;
    $loop->loop(TURN) until $is_so->() or time > $deadline;
    return $is_so->();
}

# A sentence that comes true in time, or the scenario ends.
sub await {
    my ($sentence, $is_so) = @_;
    ok($sentence, waited($is_so)) or exit 1;
}

END { $? ||= $failed }

1;
