# Party.pm - a user agent on Net::SIP, and every message it sent and got.
#
# It reaches others by the transports it is given, all on one port; which of them a request takes is what its Route or
# its Request-URI says. The Contact it shows names the transport it is sent by.
package Party;
use strict;
use warnings;
use Net::SIP;
use Net::SIP::Util 'ip_string2parts';
use Scenario;

use constant { SILENCE => "\xff" x 160, RTP => [ 0, 160, 0.005 ] };    # PCMU: payload type, bytes, seconds between packets

# at: "127.0.0.1:5060"; over: transports, the first where nothing says which; from: also its user part in Contact; and
# whatever else Net::SIP::Simple->new takes.
sub new {
    my ($class, %given) = @_;
    my ($at, $over) = delete @given{qw(at over)};
    my $self = bless { got => [], sent => [], heard => 0 }, $class;
    my ($addr, $port) = ip_string2parts($at);
    my @legs;
    for my $transport (@{ $over || ['udp'] }) {
        my $contact = "sip:$at" . ($transport eq 'udp' ? '' : ";transport=$transport");
        push @legs,
            Party::Leg->new(party => $self, proto => $transport, addr => $addr, port => $port, contact => $contact);
    }
    $self->{ua} = Net::SIP::Simple->new(legs => \@legs, loop => event_loop(), %given);
    return $self;
}

sub registers { my ($self) = @_; return $self->{ua}->register(expires => 120) }

# ---- calls ----

# Every INVITE gets new media ports at both ends (clear_sdp): on the same ones Net::SIP takes what is left of the stream
# before for newer than what comes.

# Net::SIP's end of the last call.
sub call { return $_[0]{call} }

sub invites {
    my ($self, $whom, %with) = @_;
    $self->{outcome} = undef;
    my $done = sub { my ($status, undef, %info) = @_; $self->{outcome} = $info{code} || $status };
    $self->{call} = $self->{ua}->invite($whom, rtp_param => RTP, cb_final => $done, %with);
    $self->{call}->set_param(clear_sdp => 1);
}

# What became of its INVITE: "OK", or a code; "nothing" when that did not come in time.
sub outcome {
    my ($self) = @_;
    return waited(sub { $self->{outcome} }) || 'nothing';
}

# Takes calls, one after the other.
sub takes_calls {
    my ($self, %with) = @_;
    $self->{ua}->listen(rtp_param => RTP, clear_sdp => 1, cb_create => sub { $self->{call} = shift; 1 }, %with);
}

# Another INVITE in its call.
sub reinvites {
    my ($self, %with) = @_;
    my $status;
    $self->{call}->reinvite(cb_final => sub { $status = shift }, %with);
    return waited(sub { $status }) && $status eq 'OK';
}

# True when its BYE was answered.
sub hangs_up {
    my ($self) = @_;
    my $answered;
    $self->{call}->bye(cb_final => \$answered);
    return waited(sub { $answered });
}

# ---- media: what init_media takes ----

# For that many packets, then cb_rtp_done is told; without a number as long as the call.
sub talks {
    my ($self, $packets) = @_;
    my $next = sub { return defined $packets && $packets-- <= 0 ? undef : SILENCE };
    return $self->{ua}->rtp('send_recv', $next, 1, sub { $self->{heard}++ });
}

sub echoes  { my ($self) = @_; return $self->{ua}->rtp('recv_echo', sub { $self->{heard}++ }) }
sub listens { my ($self) = @_; return $self->{ua}->rtp('recv_echo', sub { $self->{heard}++ }, -1) }

# Packets, since it forgot.
sub heard   { return $_[0]{heard} }
sub forgets { $_[0]{heard} = 0 }

# ---- messages, in their order ----

# Those of a name, or all.
sub got  { my ($self, $name) = @_; return grep { !defined $name || $_->name eq $name } @{ $self->{got} } }
sub sent { my ($self, $name) = @_; return grep { !defined $name || $_->name eq $name } @{ $self->{sent} } }

# A leg that tells its party of each message.
package Party::Leg;
use base 'Net::SIP::Leg';
use fields 'party';
use Scalar::Util 'weaken';

sub new {
    my ($class, %given) = @_;
    my $party = delete $given{party};
    my $self  = $class->SUPER::new(%given);
    weaken($self->{party} = $party);
    return $self;
}

sub receive {
    my ($self, $packet, $from) = @_;
    push @{ $self->{party}{got} }, Party::Message->new($packet, $self->{proto}, $from);
    return $self->SUPER::receive($packet, $from);
}

sub sendto {
    my ($self, $packet, $to, @rest) = @_;
    push @{ $self->{party}{sent} }, Party::Message->new($packet, $self->{proto}, $to);
    return $self->SUPER::sendto($packet, $to, @rest);
}

# A message as it was on the wire.
package Party::Message;

sub new {
    my ($class, $packet, $transport, $peer) = @_;
    my $copy = Net::SIP::Packet->new($packet->as_string);
    my $at   = Net::SIP::Util::ip_parts2string($peer->{addr}, $peer->{port}, $peer->{family});
    return bless { packet => $copy, transport => $transport, peer => $at }, $class;
}

sub transport { return $_[0]{transport} }
sub peer      { return $_[0]{peer} }

# "INVITE", or "200 INVITE" of a response.
sub name {
    my $packet = $_[0]{packet};
    return $packet->is_request ? $packet->method : $packet->code . ' ' . $packet->method;
}

sub header { my ($self, $name) = @_; return join ', ', $self->{packet}->get_header($name) }
sub body { return ($_[0]{packet}->as_parts)[3] }

# Of a request: where it is to go.
sub target {
    my ($self) = @_;
    my $route = $self->header('Route');
    return $self->{packet}->uri . ($route eq '' ? '' : " by $route");
}

# The URI alone.
sub contact { my ($uri) = $_[0]->header('Contact') =~ /^(?:.*<)?([^<>]+)/; return $uri }

# Who it was sent by: "UDP 127.0.0.1:5060, ...", the last one first.
sub hops { return join ', ', map { m{^SIP/2\.0/(\S+ [^;]+)} } $_[0]{packet}->get_header('Via') }

# Equal for a request, its responses, its CANCEL and its ACK.
sub transaction { return $_[0]->header('Call-ID') . ' ' . ($_[0]->header('CSeq') =~ /(\d+)/)[0] }

1;
