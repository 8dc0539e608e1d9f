#!/usr/bin/perl
# agent.pl - a user agent on Net::SIP, with a little audio, for netsip_agents_test.
#
#   agent.pl PROXY PORT NAME DOMAIN            registers and waits for one call, which it re-INVITEs
#                                              with media of its own and then hangs up
#   agent.pl PROXY PORT NAME DOMAIN PEER       registers and calls PEER, stays until it hangs up
#
# Prints one line per step; ends with 1 at the first that fails. Every wait is bounded.
use strict;
use warnings;
use Net::SIP;

use constant { PATIENCE => 10, ENOUGH => 20 }; # seconds, RTP packets

my ($proxy, $port, $name, $domain, $peer) = @ARGV;
my $ua;
$| = 1;

sub step {
    my ($what, $done) = @_;
    print $done ? "$what\n" : "FAILED $what" . ($ua && $ua->error ? ': ' . $ua->error : '') . "\n";
    exit 1 if !$done;
}

# Runs the loop until the referenced variable is true.
sub waited_for {
    my ($flag) = @_;
    $ua->loop(PATIENCE, $flag);
    return $$flag;
}

# Media that sends 160 bytes of silence per packet and tells when enough packets have come.
sub audio {
    my ($enough) = @_;
    my $packets = 0;
    return $ua->rtp('send_recv', sub { "\xff" x 160 }, 1, sub { $$enough = 1 if ++$packets == ENOUGH });
}

$ua = Net::SIP::Simple->new(
    leg            => { proto => "udp", addr => "127.0.0.1", port => $port },
    outgoing_proxy => $proxy,
    registrar      => $proxy,
    from           => "sip:$name\@$domain",
    contact        => "sip:$name\@127.0.0.1:$port",
);
step("$name is registered", $ua->register(expires => 120));

my ($heard, $hung_up);
if ($peer) {
    my $invites = 0;
    my $call = $ua->invite(
        "sip:$peer\@$domain",
        init_media => audio(\$heard),
        recv_bye   => \$hung_up,
        cb_invite  => sub { $invites++; undef },
    );
    step("$name calls $peer",           $call && !$call->error);
    step("$name hears $peer",           waited_for(\$heard));
    step("$peer hangs up on $name",     waited_for(\$hung_up));
    step("$name was re-INVITEd once",   $invites == 1);
}
else {
    my ($call, $established, $heard_again, $bye_answered);
    $ua->listen(
        cb_create      => sub { $call = shift; 1 },
        cb_established => sub { $established = 1 },
        init_media     => audio(\$heard),
    );
    print "$name waits\n";
    step("$name is called",             waited_for(\$established));
    step("$name hears the caller",      waited_for(\$heard));
    step("$name re-INVITEs the caller", $call->reinvite(init_media => audio(\$heard_again), clear_sdp => 1));
    step("$name hears the caller again", waited_for(\$heard_again));
    $call->bye(cb_final => \$bye_answered);
    step("the BYE of $name is answered", waited_for(\$bye_answered));
}
